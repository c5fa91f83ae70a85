import type { StreamEntry } from './entry.ts'
import { StreamError } from './errors.ts'

/** A dead letter as a reader wants it: the entry's own fields, and what the framework says of it. */
export interface DeadLetterRecord<Fields extends Record<string, string> = Record<string, string>> {
  /** The fields that the entry had. */
  fields: Fields
  /** The id that the entry had on its stream. */
  id: string
  /** The key of that stream. */
  stream: string
  /** Why it was given up, in one line. */
  reason: string
  /** How many times it was delivered. */
  deliveries: number
}

const LABELS = ['id', 'stream', 'reason', 'deliveries'] as const
/** Names and values that stand behind an entry's own. */
export const LABEL_TEXTS: number = 2 * LABELS.length

/**
 * What stands in a dead letter behind the entry's own fields: always four of the framework, `_id`, `_stream`, `_reason`,
 * `_deliveries`. A name that the entry uses itself gets one more `_` in front, as often as needed, so that neither hides
 * the other; `parseDeadLetter` reads both. Pure.
 */
export function letterLabels(
  own: readonly (string | Buffer)[],
  { id, stream, deliveries }: Pick<StreamEntry, 'id' | 'stream' | 'deliveries'>,
  reason: string,
): string[] {
  const taken = new Set(own.filter((_text, index) => index % 2 === 0).map(String))
  const values = { id, stream, reason: wellFormed(reason), deliveries: String(deliveries) }
  return LABELS.flatMap(label => [freeName(label, taken), values[label]])
}

/** Reads the fields of a dead letter, as a worker or `entries()` gives them. Throws a StreamError when they are none. */
export function parseDeadLetter<Fields extends Record<string, string> = Record<string, string>>(
  fields: Readonly<Record<string, string>>,
): DeadLetterRecord<Fields> {
  const all = Object.entries(fields)
  const own = all.slice(0, -LABELS.length)
  return { fields: Object.fromEntries(own) as Fields, ...labelsOf(all.slice(own.length)) }
}

/** Of the last four fields. Throws a StreamError when they are none of the framework's. */
export function labelsOf(last: readonly [name: string, value: string][]): Omit<DeadLetterRecord, 'fields'> {
  const [id, stream, reason, deliveries] = LABELS.map((label, index) => {
    const [name, value] = last[index] ?? []
    if (value === undefined || name?.replace(/^_+/, '_') !== `_${label}`)
      throw new StreamError('STREAM_NO_DEAD_LETTER', `these fields are no dead letter: its ${label} is missing`)
    return value
  }) as [string, string, string, string]
  return { id, stream, reason, deliveries: Number(deliveries) }
}

/** Text that Redis keeps as it is, whatever it was. */
export function wellFormed(value: unknown): string {
  try {
    return String(value).toWellFormed()
  } catch {
    return '(no text)'
  }
}

function freeName(label: string, taken: ReadonlySet<string>): string {
  let name = `_${label}`
  while (taken.has(name)) name = `_${name}`
  return name
}
