import { Command } from 'ioredis'
import { errorLine } from '#runtime/errors.ts'
import { epochMs } from './clock.ts'
import { clientOf, runScript, type StreamConnection } from './connection.ts'
import { letterLabels, wellFormed } from './dead-letter.ts'
import type { StreamEntry } from './entry.ts'
import { StreamError } from './errors.ts'
import type { ResolvedLetterBounds } from './letter-bounds.ts'
import { trimLetters } from './letter-scripts.ts'

/** How many letters go at most with each new one: after a bound was lowered, a few calls do it. */
const TRIM_BATCH = 500
/** How often letters are looked at that have become too old, in ms; each new one looks too. */
const TRIM_INTERVAL_MS = 3_600_000

export interface DeadLetterWriterOptions {
  connection: StreamConnection
  /** The stream of dead letters. */
  deadLetterStream: string
  bounds: ResolvedLetterBounds
  /** So many were deleted because of the bounds. */
  onDropped(count: number): void
  /** Bounds could not be kept this time. */
  onError(error: unknown): void
}

/** Writes dead letters to their stream, each with the exact bytes of its entry, and keeps the stream within its bounds. */
export class DeadLetterWriter {
  readonly #o: DeadLetterWriterOptions
  #trimDueAtMs = 0

  constructor(options: DeadLetterWriterOptions) {
    this.#o = options
  }

  /** Rejects with `STREAM_ADD_FAILED` when the server refuses or does not answer; it may be written all the same. */
  async write(entry: StreamEntry, reason: string): Promise<void> {
    const { deadLetterStream } = this.#o
    let id: string
    try {
      const own = (await this.#bytesOf(entry)) ?? fieldsNow(entry)
      id = await this.#add([...own, ...letterLabels(own, entry, reason)])
    } catch (cause) {
      const message = `XADD to ${deadLetterStream} failed: ${errorLine(cause)}`
      throw new StreamError('STREAM_ADD_FAILED', message, { cause, canRetry: true })
    }
    await this.#trim(Number.parseInt(id, 10))
  }

  /** As the entry lies on its stream; a handler may have changed what it was given. Undefined when it was deleted. */
  async #bytesOf({ stream, id }: StreamEntry): Promise<Buffer[] | undefined> {
    const found = await clientOf(this.#o.connection).callBuffer('XRANGE', stream, id, id)
    return (found as [Buffer, Buffer[]][])[0]?.[1]
  }

  /** As one array: a call with so many arguments would not fit on the stack. */
  #add(flat: readonly (string | Buffer)[]): Promise<string> {
    const { connection, deadLetterStream } = this.#o
    const args: (string | Buffer)[] = [deadLetterStream, '*']
    const command = new Command('XADD', args.concat(flat), { replyEncoding: 'utf8' })
    return clientOf(connection).sendCommand(command) as Promise<string>
  }

  isTrimDue(nowMs: number): boolean {
    return this.#o.bounds.ageSeconds !== undefined && nowMs >= this.#trimDueAtMs
  }

  /** Deletes what is too old, when that is due. Never rejects. */
  async trimOld(nowMs: number): Promise<void> {
    if (!this.isTrimDue(nowMs)) return
    this.#trimDueAtMs = nowMs + TRIM_INTERVAL_MS
    await this.#trim(epochMs())
  }

  /** @param nowMs by the server's clock, in ms since the epoch. */
  async #trim(nowMs: number): Promise<void> {
    const { connection, deadLetterStream, bounds, onDropped, onError } = this.#o
    const { count, ageSeconds } = bounds
    if (!Number.isFinite(count) && ageSeconds === undefined) return
    const oldest = ageSeconds === undefined ? '' : `${Math.max(0, nowMs - 1000 * ageSeconds)}-0`
    const args = [Number.isFinite(count) ? count : -1, oldest, ageSeconds ?? 0, TRIM_BATCH]
    try {
      const dropped = Number(await runScript(connection, trimLetters, deadLetterStream, args))
      if (dropped > 0) onDropped(dropped)
    } catch (error) {
      onError(error)
    }
  }
}

/** Whatever stands there now, the letter must be writable. */
function fieldsNow({ fields }: StreamEntry): string[] {
  return Object.entries(fields).flatMap(([name, value]) => [name, wellFormed(value)])
}
