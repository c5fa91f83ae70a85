import { errorLine } from '#runtime/errors.ts'
import type { StreamConnection } from './connection.ts'
import type { StreamEntry } from './entry.ts'
import { StreamError } from './errors.ts'

/** A dead letter as a reader wants it: the entry's own fields, and what the framework says of it. */
export interface DeadLetterRecord<Fields extends Record<string, string> = Record<string, string>> {
  /** Exactly the fields that the entry had. */
  fields: Fields
  /** The id that the entry had on its stream. */
  id: string
  stream: string
  reason: string
  /** How many times it was delivered. */
  deliveries: number
}

const LABELS = ['id', 'stream', 'reason', 'deliveries'] as const

/**
 * The fields of a dead letter: the entry's own as they are, then always four of the framework, `_id`, `_stream`,
 * `_reason`, `_deliveries`. A name that the entry uses itself gets one more `_` in front, as often as needed, so that
 * neither hides the other; `parseDeadLetter` reads both. Pure.
 */
export function deadLetterFields(entry: StreamEntry, reason: string): [name: string, value: string][] {
  // A handler may have changed its copy: whatever stands there now, the letter must be writable.
  const own = Object.entries(entry.fields).map(([name, value]): [string, string] => [name, text(value)])
  const taken = new Set(own.map(([name]) => name))
  const values = { id: entry.id, stream: entry.stream, reason: text(reason), deliveries: String(entry.deliveries) }
  return [...own, ...LABELS.map((label): [string, string] => [freeName(label, taken), values[label]])]
}

/** Reads the fields of a dead letter, as a worker or `entries()` gives them. Throws a StreamError when they are none. */
export function parseDeadLetter<Fields extends Record<string, string> = Record<string, string>>(
  fields: Readonly<Record<string, string>>,
): DeadLetterRecord<Fields> {
  const all = Object.entries(fields)
  const own = all.slice(0, -LABELS.length)
  const [id, stream, reason, deliveries] = LABELS.map((label, index) => {
    const [name, value] = all[own.length + index] ?? []
    if (value === undefined || name?.replace(/^_+/, '_') !== `_${label}`)
      throw new StreamError('STREAM_NO_DEAD_LETTER', `these fields are no dead letter: its ${label} is missing`)
    return value
  }) as [string, string, string, string]
  return { fields: Object.fromEntries(own) as Fields, id, stream, reason, deliveries: Number(deliveries) }
}

/** Writes one dead letter. Rejects when the server refuses or does not answer; it may be written all the same. */
export async function writeDeadLetter(
  connection: StreamConnection,
  deadLetterStream: string,
  entry: StreamEntry,
  reason: string,
): Promise<void> {
  try {
    await connection.client.call('XADD', deadLetterStream, '*', ...deadLetterFields(entry, reason).flat())
  } catch (cause) {
    const message = `XADD to ${deadLetterStream} failed: ${errorLine(cause)}`
    throw new StreamError('STREAM_ADD_FAILED', message, { cause, canRetry: true })
  }
}

function freeName(label: string, taken: ReadonlySet<string>): string {
  let name = `_${label}`
  while (taken.has(name)) name = `_${name}`
  return name
}

/** Text that Redis keeps as it is. */
function text(value: unknown): string {
  try {
    return String(value).toWellFormed()
  } catch {
    return '(no text)'
  }
}
