import { Adder } from './adder.ts'
import { encoded, type WireCodec, wireCodec } from './codec.ts'
import { clientOf, runScript, type StreamConnection } from './connection.ts'
import { connectionOf } from './connection-like.ts'
import { DeadLetters } from './dead-letters.ts'
import { StreamError } from './errors.ts'
import { ensureGroup } from './group.ts'
import type { QueueHooks } from './hooks.ts'
import { AddedEntry, type Anything } from './job.ts'
import { assertNoneLeftOut, type LeftOutOf, leaveOut } from './left-out.ts'
import { JOB_OPTIONS, QUEUE_METHODS, QUEUE_PROPERTIES } from './left-out-words.ts'
import {
  type DiscardResult,
  LetterChanges,
  type ReplayOptions,
  type ReplayResult,
  type WhichLetters,
} from './letter-changes.ts'
import { type AddOptions, asNamed, type NamedData } from './named-data.ts'
import { assertName } from './option-checks.ts'
import type { JobCounts, StreamCounts } from './queue-counts.ts'
import { assertQueueOptions, DEFAULT_GROUP, type StreamQueueOptions } from './queue-options.ts'
import { removeStream, trimAcknowledged } from './scripts.ts'
import {
  type Page,
  type PageOptions,
  type PendingEntry,
  type PendingOptions,
  type PendingSummary,
  StoredEntries,
  type StoredEntry,
} from './stored-entries.ts'
import { StoredLetters } from './stored-letters.ts'
import { assertStreamName, limiterKey, pausedKey } from './stream-name.ts'

/** Upper bound of one clean-up call, in entries. */
const TRIM_BATCH = 1000
/** The same of entries that go whatever they are: whole nodes are cheap. */
const DELETE_STEP = 10_000

/** What BullMQ's Queue can and this one leaves out: each throws a sentence that says what to use. */
// biome-ignore lint/correctness/noUnusedVariables: an interface that merges has its class’s parameters.
export interface StreamQueue<Data, Name extends string>
  extends LeftOutOf<typeof QUEUE_METHODS & typeof QUEUE_PROPERTIES> {}

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
  readonly #stored: StoredEntries<Data, Name>
  readonly #letters: StoredLetters<Data, Name>
  readonly #letterChanges: LetterChanges<Data, Name>
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
    const ready = () => this.#ready()
    this.#stored = new StoredEntries(name, group, this.#codec, ready)
    this.#letters = new StoredLetters({ deadLetterStream, stream: name, codec: this.#codec, ready })
    this.#letterChanges = new LetterChanges({
      deadLetterStream,
      stream: name,
      letters: this.#letters,
      adder: this.#adder,
      ready,
    })
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
    // Options behind data alone.
    if ((name as unknown) instanceof Object) assertNoneLeftOut(Object(data), JOB_OPTIONS, '')
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
      call.length === 1 ? asNamed<Data, Name>(entry, this.#codec.keepsNames) : { name: call[0], data: entry },
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
    return clientOf(await this.#ready()).xlen(this.name)
  }

  /** O(1) but for members that acknowledge without deleting, whose leavings count as waiting until they are trimmed. */
  async counts(): Promise<StreamCounts> {
    const [length, { count: pending }] = await Promise.all([this.length(), this.#stored.pendingSummary()])
    return { length, pending, waiting: Math.max(0, length - pending) }
  }

  /** The same in BullMQ's words, and the dead letters. O(1). */
  async getJobCounts(): Promise<JobCounts> {
    const client = clientOf(await this.#ready())
    const [{ waiting, pending }, failed] = await Promise.all([this.counts(), client.xlen(this.#deadLetterStream)])
    return { waiting, active: pending, failed }
  }

  /** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
  async ensureGroup(group = this.#group): Promise<void> {
    await ensureGroup(await this.#ready(), this.name, group)
  }

  /** Workers of every process stop reading within a second; what they hold they finish. Kept in Redis. */
  async pause(): Promise<void> {
    await clientOf(await this.#ready()).set(pausedKey(this.name), '1')
  }

  /** Workers of every process read again within a second. */
  async resume(): Promise<void> {
    await clientOf(await this.#ready()).del(pausedKey(this.name))
  }

  /** Whether `pause` was called, by anybody, and `resume` not since. */
  async isPaused(): Promise<boolean> {
    return (await clientOf(await this.#ready()).exists(pausedKey(this.name))) === 1
  }

  /** The entries that exist, of those asked for. */
  has(ids: readonly string[]): Promise<Set<string>> {
    return this.#stored.has(ids)
  }

  /** The entries that exist, of those asked for, in that order. One that cannot be decoded says why (`undecodable`). */
  get(ids: readonly string[]): Promise<StoredEntry<Data, Name>[]> {
    return this.#stored.get(ids)
  }

  /**
   * A page of what is on the stream, waiting or pending, oldest first; what is added or deleted meanwhile may or may not be
   * seen. One that cannot be decoded says why (`undecodable`).
   */
  page(options: PageOptions = {}): Promise<Page<StoredEntry<Data, Name>>> {
    return this.#stored.page(options)
  }

  /** The data of every entry, oldest first, read in bounded pages; what is added or deleted meanwhile may or may not be seen. Throws what the codec throws. */
  entries(): AsyncGenerator<Data> {
    return this.#stored.entries()
  }

  /** The dead letters of this queue's stream, to be looked at. */
  deadLetters(): DeadLetters<Data, Name> {
    return new DeadLetters(this.#letters, async () => clientOf(await this.#ready()).xlen(this.#deadLetterStream))
  }

  /**
   * Adds the entries of dead letters again, with exactly the bytes that they had, and removes the letters: by id, ids, or
   * filter (`{}` is all). Where both streams lie on one server that is one step: an entry is never lost, and never added twice
   * however often it is asked for. In a cluster it is at least once: what ended halfway is told as `uncertain`, and not added
   * again unless `again` is true. Waits for room below the high-water mark. Rejects with `STREAM_FULL` or `STREAM_ADD_FAILED`
   * (`added` holds the new ids), and with a TypeError for what cannot be meant.
   */
  replay(which: WhichLetters<Data, Name>, options: ReplayOptions = {}): Promise<ReplayResult> {
    return this.#letterChanges.replay(which, options)
  }

  /** Deletes dead letters for good: by id, ids, or filter (`{}` is all). */
  discard(which: WhichLetters<Data, Name>): Promise<DiscardResult> {
    return this.#letterChanges.discard(which)
  }

  /** What the group's consumers hold and have not acknowledged, oldest first: a page of it, one consumer's, or one entry. */
  pending(options: PendingOptions = {}): Promise<PendingEntry[]> {
    return this.#stored.pending(options)
  }

  /** How much that is, since which entry, and by whom. One command. */
  pendingSummary(): Promise<PendingSummary> {
    return this.#stored.pendingSummary()
  }

  /**
   * Deletes what other members of the group acknowledged without deleting it; at most 1,000 entries a call.
   * @returns how many; call again while it is 1,000.
   */
  async trimAcknowledged(): Promise<number> {
    const connection = await this.#ready()
    return (await runScript(connection, trimAcknowledged, this.name, [this.#group, TRIM_BATCH])) as number
  }

  /**
   * Deletes entries, the oldest first, whether they were read or not, and leaves the group; some 10,000 a call at most.
   * @returns how many; call again while it is not 0.
   */
  async deleteOldest(): Promise<number> {
    const client = clientOf(await this.#ready())
    const deleted = await client.xtrim(this.name, 'MAXLEN', '~', 0, 'LIMIT', DELETE_STEP)
    // What is left is less than a node.
    return deleted > 0 ? deleted : client.xtrim(this.name, 'MAXLEN', 0)
  }

  /** Removes stream and group when nothing is left to do on them. @returns whether they are gone. */
  async remove(): Promise<boolean> {
    const connection = await this.#ready()
    return (await runScript(connection, removeStream, this.name, [this.#group])) === 1
  }

  /**
   * Removes stream and group with whatever is left on them, like BullMQ's `obliterate({ force: true })`; a pause and the
   * count of the rate limit go with them. Dead letters stay.
   */
  async obliterate(): Promise<void> {
    const client = clientOf(await this.#ready())
    // One by one: in a cluster they lie on different nodes.
    await Promise.all([this.name, pausedKey(this.name), limiterKey(this.name)].map(key => client.unlink(key)))
  }
}

leaveOut(StreamQueue.prototype, QUEUE_METHODS, QUEUE_PROPERTIES)
