import { z } from 'zod'
import { fetchRanges, readRanges } from '#kafka/topic-reader.ts'
import { exactInteger } from '#queues/exact-integer.ts'
import { CodedError } from '#runtime/errors.ts'
import { parseExact } from '#runtime/exact-json.ts'
import { within } from '#runtime/within.ts'

type Kafka = Parameters<typeof fetchRanges>[0]

/** A message that was no gift, or contradicts one, as the invalid topic tells of it. */
export interface InvalidMessage {
  topic: string
  partition: number
  offset: string
  reason: string
  /** The message as it came, as far as it is text. */
  value: string
  /** Undefined: it names none. */
  promotionId: string | undefined
}

export interface InvalidMessages {
  /** The last few, the newest first. Rejects when Kafka does not answer, or with `TOO_MANY_INVALID`. */
  list(): Promise<readonly InvalidMessage[]>
}

const MAX_KEPT = 500
/** More are not read through for a page. */
const MAX_READ = 100_000n
const READ_WITHIN_MS = 30_000
const KEPT_MS = 10_000

const told = z.object({
  topic: z.string(),
  partition: z.number(),
  offset: z.string(),
  reason: z.string(),
  valueBase64: z.string(),
})
const named = z.object({ promotionId: exactInteger })

/** Reads the invalid topic when somebody asks, at most once in ten seconds; moves nobody's offsets. */
export function createInvalidMessages(kafka: () => Kafka, topic: string): InvalidMessages {
  let known: { readAtMs: number; list: Promise<readonly InvalidMessage[]> } | undefined
  const read = async (): Promise<readonly InvalidMessage[]> => {
    const client = kafka()
    const ranges = await fetchRanges(client, [topic])
    const all = [...ranges.values()].flat().reduce((sum, { low, high }) => sum + high - low, 0n)
    if (all > MAX_READ)
      throw new CodedError(
        'TOO_MANY_INVALID',
        `${all} invalid messages are too many for a page: read the topic ${topic}`,
      )
    const kept: InvalidMessage[] = []
    await readRanges(client, ranges, messages => {
      for (const { value } of messages) {
        const message = parse(value)
        if (message !== undefined) kept.push(message)
      }
      kept.splice(0, kept.length - MAX_KEPT)
    })
    return kept.reverse()
  }
  return {
    list: () => {
      if (known !== undefined && performance.now() - known.readAtMs < KEPT_MS) return known.list
      const list = within(read(), READ_WITHIN_MS, () => {
        throw new CodedError('KAFKA_UNAVAILABLE', `the topic ${topic} could not be read within ${READ_WITHIN_MS} ms`)
      })
      known = { readAtMs: performance.now(), list }
      list.catch(() => {
        known = undefined
      })
      return list
    },
  }
}

function parse(value: Buffer | null): InvalidMessage | undefined {
  const message = told.safeParse(asJson(value?.toString('utf8') ?? ''))
  if (!message.success) return undefined
  const { valueBase64, ...where } = message.data
  const text = Buffer.from(valueBase64, 'base64').toString('utf8')
  const of = named.safeParse(asExactJson(text))
  return { ...where, value: text, promotionId: of.success ? of.data.promotionId : undefined }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function asExactJson(text: string): unknown {
  try {
    return parseExact(text)
  } catch {
    return undefined
  }
}
