import { Adder } from './adder.ts'
import { encoded, type WireCodec, wireCodec } from './codec.ts'
import type { StreamConnection } from './connection.ts'
import { connectionOf } from './connection-like.ts'
import { type RawEntry, toEntry } from './entry.ts'
import { isNoGroup, StreamError } from './errors.ts'
import { ensureGroup } from './group.ts'
import type { QueueHooks } from './hooks.ts'
import { AddedEntry, type Anything } from './job.ts'
import { assertNoneLeftOut, JOB_OPTIONS, type LeftOutOf, leaveOutMethods, QUEUE_METHODS } from './left-out.ts'
import { assertName } from './option-checks.ts'
import { assertQueueOptions, DEFAULT_GROUP, type StreamQueueOptions } from './queue-options.ts'
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

/** As BullMQ's: how many entries are in which state. */
export interface JobCounts {
  /** Not yet handed to any worker. */
  waiting: number
  /** Handed to a worker and not acknowledged: in flight, or put off after a failure. */
  active: number
  /** Dead letters. */
  failed: number
}

/** Options of one entry: none. Each of BullMQ's says what to use instead. */
export type AddOptions = LeftOutOf<typeof JOB_OPTIONS>

/** One of BullMQ's `addBulk`. */
export interface NamedData<Data, Name extends string> {
  name: Name
  data: Data
  opts?: AddOptions
}

/** What BullMQ's Queue can and this one leaves out: each throws a sentence that says what to use. */
// biome-ignore lint/correctness/noUnusedVariables: an interface that merges has its class’s parameters.
export interface StreamQueue<Data, Name extends string> extends LeftOutOf<typeof QUEUE_METHODS> {}

/**
 * A queue on one Redis stream, as BullMQ's `Queue` is on its keys. Its name is the stream's key, used as it is.
 * Delivery promise: at least once. After a rejected `add` the entry may be on the stream or not.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface adds only words that throw.
export class StreamQueue<Data = Anything, Name extends string = string> {
  /** The stream's key. */
  readonly name: string
  readonly #connection: StreamConnection
  readonly #ownsConnection: boolean
  readonly #group: string
  readonly #codec: WireCodec
  readonly #hooks: QueueHooks
  readonly #adder: Adder
  readonly #deadLetterStream: string
  #isClosed = false

  /** Throws a TypeError that names the option which is wrong, or says what to use where it is left out. */
  constructor(name: string, options: StreamQueueOptions<Data>) {
    assertStreamName('name', name)
    assertQueueOptions(options)
    const { group = DEFAULT_GROUP, codec, hooks = {}, deadLetterStream = `${name}:dead-letter` } = options
    this.name = name
    this.#group = group
    this.#codec = wireCodec(codec)
    this.#hooks = hooks
    this.#deadLetterStream = deadLetterStream
    const { connection, isOwn } = connectionOf(options.connection)
    this.#connection = connection
    this.#ownsConnection = isOwn
    this.#adder = new Adder(name, { ...options, connection })
  }

  /** Before the connection is ready every call waits for that; what comes while it is lost is refused at once. */
  async #ready(): Promise<StreamConnection> {
    this.#assertOpen()
    if (!this.#connection.isUsable) await this.#connection.ready()
    return this.#connection
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new StreamError('STREAM_CLOSED', `queue ${this.name} is closed`)
  }

  /** Resolves when the connection is there. Rejects with `STREAM_UNREACHABLE` or `STREAM_EVICTION`. */
  async waitUntilReady(): Promise<void> {
    await this.#ready()
  }

  /** Takes nothing more; closes the connection if it is the queue's own. Entries stay. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#ownsConnection) await this.#connection.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Adds one entry; resolves with its id, name and data. Before the connection is ready it waits for that. Rejects with
   * `STREAM_BAD_FIELDS` (what would not come out as it went in), `STREAM_UNREACHABLE`, `STREAM_FULL`, or
   * `STREAM_ADD_FAILED`: a StreamAddError, which says what may have been added.
   */
  add(data: Data): Promise<AddedEntry<Data, Name>>
  /** The same with a name, for several kinds of job on one stream. */
  add(name: Name, data: Data, options?: AddOptions): Promise<AddedEntry<Data, Name>>
  async add(first: Name | Data, ...rest: [] | [Data, (AddOptions | undefined)?]): Promise<AddedEntry<Data, Name>> {
    this.#assertOpen()
    const [name, data] = rest.length === 0 ? [undefined, first as Data] : [first as Name, rest[0]]
    if (name !== undefined) assertName('name', name)
    if (rest[1] !== undefined) assertNoneLeftOut(rest[1], JOB_OPTIONS, '')
    const fields = encoded(this.#codec, data, name)
    const id = await this.#around(1, () => this.#adder.add(fields))
    return new AddedEntry(id, name, data)
  }

  /**
   * Adds many, in order; resolves with their ids, names and data. Nothing is sent while one of them is refused. A bulk that
   * fits below the high-water mark is admitted as a whole; a longer one goes by portions. Rejects like `add`.
   */
  addBulk(entries: readonly Data[]): Promise<AddedEntry<Data, Name>[]>
  /** The same, all with one name. */
  addBulk(name: Name, entries: readonly Data[]): Promise<AddedEntry<Data, Name>[]>
  /** The same in BullMQ's words: what has only `name`, `data` and `opts` is data with a name. */
  addBulk(jobs: readonly NamedData<Data, Name>[]): Promise<AddedEntry<Data, Name>[]>
  async addBulk(
    ...call: [readonly (Data | NamedData<Data, Name>)[]] | [Name, readonly Data[]]
  ): Promise<AddedEntry<Data, Name>[]> {
    this.#assertOpen()
    const entries: unknown = call.length === 1 ? call[0] : call[1]
    if (!Array.isArray(entries)) throw new TypeError('entries must be an array')
    const named = Array.from(entries, (entry: Data) =>
      call.length === 1 ? asNamed<Data, Name>(entry) : { name: call[0], data: entry },
    )
    const fields = named.map(({ name, data }, index) => encoded(this.#codec, data, name, `entry ${index}`))
    const ids = await this.#around(fields.length, () => this.#adder.addBulk(fields))
    return ids.map((id, index) => new AddedEntry(id, named[index]?.name, named[index]?.data as Data))
  }

  #around<Result>(count: number, run: () => Promise<Result>): Promise<Result> {
    const { add } = this.#hooks
    return add === undefined ? run() : add({ stream: this.name, count }, run)
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

  /** The same in BullMQ's words, and the dead letters. O(1). */
  async getJobCounts(): Promise<JobCounts> {
    const { client } = await this.#ready()
    const [{ waiting, pending }, failed] = await Promise.all([this.counts(), client.xlen(this.#deadLetterStream)])
    return { waiting, active: pending, failed }
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

  /** The data of every entry, oldest first, read in bounded pages; what is added or deleted meanwhile may or may not be seen. Throws what the codec throws. */
  async *entries(): AsyncGenerator<Data> {
    const { client } = await this.#ready()
    for (let start = '-'; ; ) {
      const page = (await client.xrange(this.name, start, '+', 'COUNT', PAGE_SIZE)) as RawEntry[]
      for (const [id, fields] of page) yield this.#codec.toData(toEntry(this.name, id, fields ?? [], 0).fields) as Data
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

/** With the name that it came with, if it came as BullMQ's do. */
function asNamed<Data, Name extends string>(
  entry: Data | NamedData<Data, Name>,
): { name: Name | undefined; data: Data } {
  const { name, data, opts, ...others } = (entry ?? {}) as NamedData<Data, Name>
  const isNamed = typeof name === 'string' && typeof data === 'object' && data !== null && isEmpty(others)
  if (!isNamed) return { name: undefined, data: entry as Data }
  if (opts !== undefined) assertNoneLeftOut(opts, JOB_OPTIONS, '')
  return { name, data }
}

const isEmpty = (object: object) => Object.keys(object).length === 0

leaveOutMethods(StreamQueue.prototype, QUEUE_METHODS)
