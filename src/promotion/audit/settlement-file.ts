import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { exactInteger } from '#queues/gift-message.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { parseMessage } from '../gift-message.ts'

/** One charge of the Money API's settlement. */
export interface SettledCharge {
  /** The idempotency key, `VOUCHER:{id}` or `POINT:{id}`. */
  key: string
  transactionKey: string
  /** Minor units. */
  amount: bigint
}

const settledCharge = z.object({ key: z.string().min(1), transactionKey: z.string().min(1), amount: exactInteger })

/**
 * Reads a settlement, line by line: one charge a line, in any order. CSV (RFC 4180 without line breaks in fields; its
 * first line names the columns) or JSON lines, told apart by the first character; either holds `key`, `transactionKey`
 * and `amount`, whatever else there is is left alone. `-` reads standard input.
 * Rejects with `SETTLEMENT_UNREADABLE`, naming the line.
 */
export async function* readSettlement(path: string): AsyncGenerator<SettledCharge> {
  const input: Readable = path === '-' ? process.stdin : createReadStream(path)
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  input.once('error', error => failed.reject(error))
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]()
  const read = createLineReader()
  let number = 1
  try {
    for (; ; number++) {
      const { done, value } = await Promise.race([lines.next(), failed.promise])
      if (done) return
      const charge = read(value)
      if (charge !== undefined) yield charge
    }
  } catch (cause) {
    const where = path === '-' ? 'standard input' : path
    throw new CodedError('SETTLEMENT_UNREADABLE', `${where}, line ${number}: ${errorLine(cause)}`, { cause })
  } finally {
    input.destroy()
  }
}

/** Learns from the first line which of the two forms it is; undefined for a line that holds no charge. */
function createLineReader(): (line: string) => SettledCharge | undefined {
  let read: ((line: string) => SettledCharge) | undefined
  return text => {
    const line = text.replace(/^\uFEFF/, '').trim()
    if (line === '') return undefined
    if (read !== undefined) return read(line)
    if (line.startsWith('{')) {
      read = readJson
      return read(line)
    }
    read = csvReader(line)
    return undefined
  }
}

function readJson(line: string): SettledCharge {
  const parsed = parseMessage(settledCharge, line)
  if (!parsed.ok) throw new Error(parsed.reason)
  return { ...parsed.message, amount: BigInt(parsed.message.amount) }
}

function csvReader(header: string): (line: string) => SettledCharge {
  const names = splitCsv(header)
  const [key, transactionKey, amount] = ['key', 'transactionKey', 'amount'].map(name => {
    const index = names.indexOf(name)
    if (index < 0) throw new Error(`the first line must name the columns key, transactionKey and amount`)
    return index
  }) as [number, number, number]
  return line => {
    const fields = splitCsv(line)
    const parsed = settledCharge.safeParse({
      key: fields[key],
      transactionKey: fields[transactionKey],
      amount: fields[amount],
    })
    if (!parsed.success)
      throw new Error(parsed.error.issues.map(issue => `${issue.path.join('.')} ${issue.message}`).join('; '))
    return { ...parsed.data, amount: BigInt(parsed.data.amount) }
  }
}

function splitCsv(line: string): string[] {
  if (!line.includes('"')) return line.split(',').map(field => field.trim())
  const fields = line.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?=,|$)/g)
  return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.trim() ?? '')
}
