import { setTimeout as sleep } from 'node:timers/promises'
import { errorLine } from '#runtime/errors.ts'
import { type RawEntry, toEntry } from './entry.ts'
import { isNoGroup, StreamError } from './errors.ts'
import { ensureGroup } from './group.ts'
import { assertQueueOptions, type HighWaterMark, type StreamQueueOptions } from './queue-options.ts'
import { addBulk, removeStream, trimAcknowledged } from './scripts.ts'
import { assertStreamName, pausedKey } from './stream-name.ts'

export interface StreamCounts {
  /** Entries on the stream. With ack-and-delete = waiting + pending. */
  length: number
  /** Not yet handed to any consumer. */
  waiting: number
  /** Handed out and not acknowledged. */
  pending: number
}

/** Entries of one command: bounded, so that nobody else waits long behind it. */
const BULK_SIZE = 500
/** Entries of one page of a walk over the stream. */
const PAGE_SIZE = 1000
const FULL_POLL_MS = 50
/** Upper bound of one clean-up call, in entries. */
const TRIM_BATCH = 1000

/**
 * A queue on one Redis stream, as BullMQ's `Queue` is on its keys. Its name is the stream's key, used as it is.
 * Delivery promise: at least once. After a rejected `add` the entry may be on the stream or not.
 */
export class StreamQueue<Fields extends Record<string, string> = Record<string, string>> {
  readonly name: string
  readonly #options: StreamQueueOptions
  #lengthSeen = { length: 0, atMs: Number.NEGATIVE_INFINITY }

  /** Throws a TypeError that names the option which is wrong. */
  constructor(name: string, options: StreamQueueOptions) {
    assertStreamName('name', name)
    assertQueueOptions(options)
    this.name = name
    this.#options = options
  }

  get #client() {
    return this.#options.connection.client
  }

  get #group(): string {
    if (this.#options.group === undefined)
      throw new StreamError('STREAM_NO_GROUP', `queue ${this.name} was given no group`)
    return this.#options.group
  }

  /** Adds one entry; resolves with its id. Rejects with `STREAM_ADD_FAILED`, or `STREAM_FULL` (nothing was added). */
  async add(fields: Fields): Promise<string> {
    const { highWaterMark, maxLen } = this.#options
    if (highWaterMark !== undefined) await this.#waitForRoom(highWaterMark, 1)
    const trim = maxLen === undefined ? [] : (['MAXLEN', '~', maxLen] as const)
    try {
      return (await this.#client.call('XADD', this.name, ...trim, '*', ...Object.entries(fields).flat())) as string
    } catch (cause) {
      throw this.#addFailed(cause)
    }
  }

  /** Adds many, in order; resolves with their ids. A rejected call may have added some of them, or all. */
  async addBulk(entries: readonly Fields[]): Promise<string[]> {
    if (this.#options.highWaterMark !== undefined) await this.#waitForRoom(this.#options.highWaterMark, entries.length)
    const ids: string[] = []
    for (let from = 0; from < entries.length; from += BULK_SIZE) {
      ids.push(...(await this.#addAtOnce(entries.slice(from, from + BULK_SIZE))))
    }
    return ids
  }

  async #addAtOnce(entries: readonly Fields[]): Promise<string[]> {
    const args: (string | number)[] = [this.#options.maxLen ?? 0]
    for (const fields of entries) {
      const flat = Object.entries(fields).flat()
      args.push(flat.length, ...flat)
    }
    try {
      return (await this.#options.connection.run(addBulk, this.name, args)) as string[]
    } catch (cause) {
      throw this.#addFailed(cause)
    }
  }

  #addFailed(cause: unknown): StreamError {
    return new StreamError('STREAM_ADD_FAILED', `XADD to ${this.name} failed: ${errorLine(cause)}`, {
      cause,
      canRetry: true,
    })
  }

  async #waitForRoom(mark: HighWaterMark, count: number): Promise<void> {
    const deadlineMs = performance.now() + (mark.timeoutMs ?? 30_000)
    for (;;) {
      const seen = this.#lengthSeen
      if (performance.now() - seen.atMs > FULL_POLL_MS || seen.length >= mark.length) {
        this.#lengthSeen = { length: await this.#lengthBeforeAdd(), atMs: performance.now() }
      }
      if (this.#lengthSeen.length < mark.length) {
        this.#lengthSeen.length += count
        return
      }
      if (mark.onFull === 'refuse' || performance.now() >= deadlineMs) {
        throw new StreamError('STREAM_FULL', `${this.name} holds ${this.#lengthSeen.length} entries`, {
          canRetry: true,
        })
      }
      await sleep(FULL_POLL_MS)
    }
  }

  async #lengthBeforeAdd(): Promise<number> {
    try {
      return await this.length()
    } catch (cause) {
      throw this.#addFailed(cause)
    }
  }

  /** Entries on the stream; O(1). */
  length(): Promise<number> {
    return this.#client.xlen(this.name)
  }

  /** O(1) but for members that acknowledge without deleting, whose leavings count as waiting until they are trimmed. */
  async counts(): Promise<StreamCounts> {
    const [length, pending] = await Promise.all([this.length(), this.#pendingCount()])
    return { length, pending, waiting: Math.max(0, length - pending) }
  }

  async #pendingCount(): Promise<number> {
    try {
      const summary = (await this.#client.xpending(this.name, this.#group)) as [number, ...unknown[]]
      return summary[0]
    } catch (error) {
      if (isNoGroup(error)) return 0
      throw error
    }
  }

  /** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
  ensureGroup(group = this.#group): Promise<void> {
    return ensureGroup(this.#options.connection, this.name, group)
  }

  /** Workers of every process stop reading within a second; what they hold they finish. Kept in Redis. */
  async pause(): Promise<void> {
    await this.#client.set(pausedKey(this.name), '1')
  }

  async resume(): Promise<void> {
    await this.#client.del(pausedKey(this.name))
  }

  async isPaused(): Promise<boolean> {
    return (await this.#client.exists(pausedKey(this.name))) === 1
  }

  /** The entries that exist, of those asked for. */
  async has(ids: readonly string[]): Promise<Set<string>> {
    const pipeline = this.#client.pipeline()
    for (const id of ids) pipeline.xrange(this.name, id, id)
    const replies = (await pipeline.exec()) ?? []
    const found = replies.flatMap(([error, entries]) => {
      if (error !== null) throw error
      return (entries as [string, string[]][]).map(([id]) => id)
    })
    return new Set(found)
  }

  /** Every entry, oldest first, read in bounded pages; what is added or deleted meanwhile may or may not be seen. */
  async *entries(): AsyncGenerator<Fields> {
    for (let start = '-'; ; ) {
      const page = (await this.#client.xrange(this.name, start, '+', 'COUNT', PAGE_SIZE)) as RawEntry[]
      for (const [id, fields] of page) yield toEntry<Fields>(this.name, id, fields ?? [], 0).fields
      if (page.length < PAGE_SIZE) return
      start = `(${page.at(-1)?.[0]}`
    }
  }

  /**
   * Deletes what other members of the group acknowledged without deleting it; at most 1,000 entries a call.
   * @returns how many; call again while it is 1,000.
   */
  async trimAcknowledged(): Promise<number> {
    return (await this.#options.connection.run(trimAcknowledged, this.name, [this.#group, TRIM_BATCH])) as number
  }

  /** Removes stream and group when nothing is left to do on them. @returns whether they are gone. */
  async remove(): Promise<boolean> {
    return (await this.#options.connection.run(removeStream, this.name, [this.#group])) === 1
  }

  /** Removes stream and group with whatever is left on them, like BullMQ's `obliterate({ force: true })`. */
  async obliterate(): Promise<void> {
    await this.#client.unlink(this.name)
  }
}
