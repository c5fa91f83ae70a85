import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { parseMessage } from '#promotion/intake/gift-message.ts'
import { exactInteger } from '#queues/exact-integer.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'

/** One charge of the Money API's settlement. */
export interface SettledCharge {
  /** The idempotency key, `{type}:{targetId}`. */
  key: string
  transactionKey: string
  /** Minor units, exact digits. */
  amount: string
}

const MAX_LINE_LENGTH = 64 * 1024

const settledCharge = z.object({ key: z.string().min(1), transactionKey: z.string().min(1), amount: exactInteger })

/**
 * Reads a settlement, line by line: one charge a line, in any order. CSV (RFC 4180 without line breaks in fields; its
 * first line names the columns) or JSON lines, told apart by the first character; either holds `key`, `transactionKey`
 * and `amount`, whatever else there is is left alone. `-` reads standard input.
 * Rejects with `SETTLEMENT_UNREADABLE`, naming the line.
 */
export async function* readSettlement(path: string): AsyncGenerator<SettledCharge> {
  const input: Readable = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 16 * 1024 })
  const read = createLineReader()
  let number = 0
  try {
    for await (const lines of linesOf(input)) {
      for (const line of lines) {
        number += 1
        const charge = read(line)
        if (charge !== undefined) yield charge
      }
    }
  } catch (cause) {
    const where = path === '-' ? 'standard input' : path
    throw new CodedError('SETTLEMENT_UNREADABLE', `${where}, line ${number}: ${errorLine(cause)}`, { cause })
  }
}

/**
 * The lines that end in each chunk, together: a wait for every line costs more than the line. Unlike node:readline this
 * passes on what the stream fails with, and never reads ahead.
 */
async function* linesOf(input: Readable): AsyncGenerator<string[]> {
  let rest = ''
  for await (const chunk of input.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE_LENGTH) throw new Error(`longer than ${MAX_LINE_LENGTH} characters`)
    yield lines
  }
  if (rest !== '') yield [rest]
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
  return parsed.message
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
    return parsed.data
  }
}

function splitCsv(line: string): string[] {
  if (!line.includes('"')) return line.split(',').map(field => field.trim())
  const fields = line.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?=,|$)/g)
  return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.trim() ?? '')
}
