import { Adder } from './adder.ts'
import { type RawEntry, toEntry } from './entry.ts'
import { isNoGroup, StreamError } from './errors.ts'
import { ensureGroup } from './group.ts'
import { assertQueueOptions, type StreamQueueOptions } from './queue-options.ts'
import { removeStream, trimAcknowledged } from './scripts.ts'
import { assertStreamName, limiterKey, pausedKey } from './stream-name.ts'

export interface StreamCounts {
  /** Entries on the stream. With ack-and-delete = waiting + pending. */
  length: number
  /** Not yet handed to any consumer. */
  waiting: number
  /** Handed out and not acknowledged. */
  pending: number
}

/** Entries of one page of a walk over the stream. */
const PAGE_SIZE = 1000
/** Upper bound of one clean-up call, in entries. */
const TRIM_BATCH = 1000

/**
 * A queue on one Redis stream, as BullMQ's `Queue` is on its keys. Its name is the stream's key, used as it is.
 * Delivery promise: at least once. After a rejected `add` the entry may be on the stream or not.
 */
export class StreamQueue<Fields extends Record<string, string> = Record<string, string>> {
  readonly name: string
  readonly #options: StreamQueueOptions
  readonly #adder: Adder

  /** Throws a TypeError that names the option which is wrong. */
  constructor(name: string, options: StreamQueueOptions) {
    assertStreamName('name', name)
    assertQueueOptions(options)
    this.name = name
    this.#options = options
    this.#adder = new Adder(name, options)
  }

  /** Before the connection is ready every call waits for that; what comes while it is lost is refused at once. */
  async #ready() {
    const { connection } = this.#options
    if (!connection.isUsable) await connection.ready()
    return connection
  }

  get #group(): string {
    if (this.#options.group === undefined)
      throw new StreamError('STREAM_NO_GROUP', `queue ${this.name} was given no group`)
    return this.#options.group
  }

  /**
   * Adds one entry; resolves with its id. Before the connection is ready it waits for that. Rejects with
   * `STREAM_BAD_FIELDS` (what would not come out as it went in), `STREAM_UNREACHABLE`, `STREAM_FULL`, or
   * `STREAM_ADD_FAILED`: a StreamAddError, which says what may have been added.
   */
  add(fields: Fields): Promise<string> {
    return this.#adder.add(fields)
  }

  /**
   * Adds many, in order; resolves with their ids. Nothing is sent while one of them is refused. A bulk that fits below the
   * high-water mark is admitted as a whole; a longer one goes by portions. Rejects like `add`.
   */
  addBulk(entries: readonly Fields[]): Promise<string[]> {
    return this.#adder.addBulk(entries)
  }

  /** Entries on the stream; O(1). */
  async length(): Promise<number> {
    const { client } = await this.#ready()
    return client.xlen(this.name)
  }

  /** O(1) but for members that acknowledge without deleting, whose leavings count as waiting until they are trimmed. */
  async counts(): Promise<StreamCounts> {
    const [length, pending] = await Promise.all([this.length(), this.#pendingCount()])
    return { length, pending, waiting: Math.max(0, length - pending) }
  }

  async #pendingCount(): Promise<number> {
    const { client } = await this.#ready()
    try {
      const summary = (await client.xpending(this.name, this.#group)) as [number, ...unknown[]]
      return summary[0]
    } catch (error) {
      if (isNoGroup(error)) return 0
      throw error
    }
  }

  /** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
  async ensureGroup(group = this.#group): Promise<void> {
    await ensureGroup(await this.#ready(), this.name, group)
  }

  /** Workers of every process stop reading within a second; what they hold they finish. Kept in Redis. */
  async pause(): Promise<void> {
    const { client } = await this.#ready()
    await client.set(pausedKey(this.name), '1')
  }

  async resume(): Promise<void> {
    const { client } = await this.#ready()
    await client.del(pausedKey(this.name))
  }

  async isPaused(): Promise<boolean> {
    const { client } = await this.#ready()
    return (await client.exists(pausedKey(this.name))) === 1
  }

  /** The entries that exist, of those asked for. */
  async has(ids: readonly string[]): Promise<Set<string>> {
    const { client } = await this.#ready()
    const pipeline = client.pipeline()
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
    const { client } = await this.#ready()
    for (let start = '-'; ; ) {
      const page = (await client.xrange(this.name, start, '+', 'COUNT', PAGE_SIZE)) as RawEntry[]
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
    const connection = await this.#ready()
    return (await connection.run(trimAcknowledged, this.name, [this.#group, TRIM_BATCH])) as number
  }

  /** Removes stream and group when nothing is left to do on them. @returns whether they are gone. */
  async remove(): Promise<boolean> {
    const connection = await this.#ready()
    return (await connection.run(removeStream, this.name, [this.#group])) === 1
  }

  /**
   * Removes stream and group with whatever is left on them, like BullMQ's `obliterate({ force: true })`; a pause and the
   * count of the rate limit go with them. Dead letters stay.
   */
  async obliterate(): Promise<void> {
    const { client } = await this.#ready()
    // One by one: in a cluster they lie on different nodes.
    await Promise.all([this.name, pausedKey(this.name), limiterKey(this.name)].map(key => client.unlink(key)))
  }
}
