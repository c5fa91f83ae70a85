import { LRUCache } from 'lru-cache'
import type { PromotionEntry } from '#queues/promotion-stream.ts'
import { Batcher } from '#runtime/batcher.ts'
import { toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { TraceFields } from '#runtime/tracing.ts'
import { StreamAddError, type StreamConnection, StreamError, StreamQueue } from '#stream/index.ts'
import { placesOf, type StreamFill, unknownFill, usedOf } from './stream-fill.ts'
import { StreamTroubles } from './stream-troubles.ts'

export interface StreamProducerOptions {
  connection: StreamConnection
  /** Bound of one stream (`MAXLEN ~`). */
  maxLen: number
  /** Told when gifts are left to upkeep, at most once a minute a stream. */
  logger?: Logger
}

/** A stream takes entries up to this share of its bound: `MAXLEN ~` then never trims one that is still to do. */
const FULL_SHARE = 0.8
/**
 * Of the room that it saw, a process takes no more than this before it looks again: as many of them as the reciprocal
 * may fill a stream at once without passing its bound. What is not taken is refill's, which is one process's at a time.
 */
const ROOM_SHARE = 1 / 16
/** How long a known length is believed, in ms; and when our share of it is used up. */
const LENGTH_MAX_AGE_MS = 100
const LENGTH_MIN_AGE_MS = 5

/** Entries of one command. */
const BATCH_SIZE = 500
const PARTLY = 'the stream took a part of the batch only'

const LEFT_LOG_INTERVAL_MS = 60_000
/** How often a stream in trouble of its own is asked whether it is over; nobody waits for the answer. */
const LOOK_AGAIN_MS = 1000

type Adder = Batcher<PromotionEntry, Error | undefined>

/**
 * The planning documents' `PromotionStreamProducer`: XADD with `MAXLEN ~`, and nothing else a processor could need of a
 * stream. What becomes of one stream's entries is no other stream's business.
 */
export class PromotionStreamProducer {
  readonly #options: StreamProducerOptions
  readonly #queues = new LRUCache<string, StreamQueue<PromotionEntry>>({ max: 10_000 })
  readonly #fills = new LRUCache<string, StreamFill>({ max: 10_000 })
  readonly #adders = new LRUCache<string, Adder>({ max: 10_000 })
  readonly #lengthTroubles = new StreamTroubles()
  readonly #addTroubles = new StreamTroubles()
  readonly #leftLoggedAtMs = new LRUCache<string, number>({ max: 1000 })

  constructor(options: StreamProducerOptions) {
    this.#options = options
  }

  /** How many entries a stream may still take. */
  async room(streamKey: string): Promise<number> {
    const fill = await this.#read(streamKey, 0)
    return Math.max(0, Math.floor(this.#limit - fill.length - usedOf(fill)))
  }

  /**
   * Takes a place on the stream for an entry to come; false when it is full, or in trouble of its own: the row alone is
   * enough then. Give the place back by `enqueue` or `release`. Rejects when Redis does not answer.
   */
  async admit(streamKey: string): Promise<boolean> {
    return (await this.admitAll(streamKey, 1)) === 1
  }

  /** The same for many: returns how many places it took. */
  async admitAll(streamKey: string, count: number): Promise<number> {
    if (this.#isLeftAlone(streamKey)) return 0
    return this.#admitWithin(streamKey, count, ROOM_SHARE, LENGTH_MAX_AGE_MS)
  }

  /** Known to be in trouble of its own: a call would wait for nothing, and all others of a batch with it. */
  #isLeftAlone(streamKey: string): boolean {
    if (this.#lengthTroubles.isOwn(streamKey)) {
      this.#lookAgain(streamKey)
      return true
    }
    return this.#addTroubles.isOwn(streamKey, LOOK_AGAIN_MS)
  }

  #lookAgain(streamKey: string): void {
    const fill = this.#fillOf(streamKey)
    if (fill.reading !== undefined || performance.now() - fill.askedAtMs < LOOK_AGAIN_MS) return
    fill.reading = this.#readLength(streamKey, fill)
    fill.reading.catch(error => this.#lengthTroubles.failed(streamKey, error))
  }

  /** Beside a shard that is away there may be nobody who writes to another: then the others are asked. */
  async #isOwnTrouble(troubles: StreamTroubles, streamKey: string, error: unknown): Promise<boolean> {
    if (troubles.failed(streamKey, error)) return true
    if (!troubles.hasFailedLong(streamKey)) return false
    if (!(await this.#options.connection.isServedBeside(streamKey))) return false
    troubles.othersWork(streamKey)
    return true
  }

  async #admitWithin(streamKey: string, count: number, share: number, maxAgeMs: number): Promise<number> {
    try {
      let fill = await this.#read(streamKey, maxAgeMs)
      if (this.#placesOf(fill, share) < count) fill = await this.#read(streamKey, LENGTH_MIN_AGE_MS)
      const admitted = Math.min(count, this.#placesOf(fill, share))
      fill.admitted += admitted
      return admitted
    } catch (error) {
      if (!(await this.#isOwnTrouble(this.#lengthTroubles, streamKey, error))) throw error
      this.#logLeft(streamKey, error)
      return 0
    }
  }

  release(streamKey: string, count = 1): void {
    const fill = this.#fills.get(streamKey)
    if (fill !== undefined) fill.admitted = Math.max(0, fill.admitted - count)
  }

  /**
   * Adds one entry to a place that was admitted. A call without one, as each further try is, asks for a place anew.
   * Resolves with true when Redis has the entry; with false when the stream is full by now, or in trouble of its own
   * while others work: the row is committed, and upkeep finds that its entry is missing. After a rejection the entry
   * may be there or not: adding it again is harmless, the row tells a second one that the first was done.
   */
  async enqueue(streamKey: string, key: string, message: string, trace: TraceFields = {}): Promise<boolean> {
    const [outcome] = await this.enqueueEach(streamKey, [{ key, message, ...trace }])
    if (outcome instanceof Error) throw outcome
    return outcome === true
  }

  /** The same for many: what `enqueue` resolves with or rejects with, in their order. Rejects like it, for all of them. */
  async enqueueEach(streamKey: string, entries: readonly PromotionEntry[]): Promise<(boolean | Error)[]> {
    if (this.#isLeftAlone(streamKey)) {
      this.release(streamKey, entries.length)
      return entries.map(() => false)
    }
    const placed = await this.#takePlaces(streamKey, entries.length)
    const fill = this.#fillOf(streamKey)
    fill.adding += placed
    try {
      const settled = await this.#adderOf(streamKey).addAll(entries.slice(0, placed))
      const errors = settled.map(one => (one.status === 'rejected' ? toError(one.reason) : one.value))
      const outcomes = await this.#outcomesOf(streamKey, errors)
      while (outcomes.length < entries.length) outcomes.push(false)
      return outcomes
    } finally {
      fill.adding -= placed
    }
  }

  /** Uses places that were admitted; what has none asks for it anew. Returns how many there are. */
  async #takePlaces(streamKey: string, count: number): Promise<number> {
    const fill = this.#fillOf(streamKey)
    const admitted = Math.min(count, fill.admitted)
    fill.admitted -= admitted
    if (admitted === count) return count
    const more = await this.#admitWithin(streamKey, count - admitted, 1, LENGTH_MIN_AGE_MS)
    fill.admitted = Math.max(0, fill.admitted - more)
    return admitted + more
  }

  async #outcomesOf(streamKey: string, errors: readonly (Error | undefined)[]): Promise<(boolean | Error)[]> {
    const outcomes: (boolean | Error)[] = []
    const verdicts = new Map<Error, boolean>()
    for (const error of errors) {
      if (error === undefined) outcomes.push(true)
      else {
        const isOwn = verdicts.get(error) ?? (await this.#isOwnTrouble(this.#addTroubles, streamKey, error))
        verdicts.set(error, isOwn)
        if (isOwn) this.#logLeft(streamKey, error)
        outcomes.push(isOwn ? false : error)
      }
    }
    return outcomes
  }

  /**
   * Adds entries in their order, for which there was `room`. Resolves with how many were added, always the first ones;
   * rejects when none was, or when nobody knows: adding them again is harmless.
   */
  async enqueueAll(streamKey: string, entries: readonly PromotionEntry[]): Promise<number> {
    const fill = this.#fillOf(streamKey)
    try {
      await this.queue(streamKey).addBulk(entries)
      fill.addedSinceRead += entries.length
      this.#addTroubles.worked(streamKey)
      return entries.length
    } catch (error) {
      if (!(error instanceof StreamAddError)) throw error
      const added = error.added.length
      fill.addedSinceRead += error.isUncertain ? entries.length : added
      if (added > 0) return added
      throw repeatable(error)
    }
  }

  /**
   * Deletes every entry in bounded steps and leaves the group: a member of another kind would spin without it.
   * `isWanted` is asked before each step: entries that come with a start are not to be deleted.
   */
  async clear(streamKey: string, isWanted: () => Promise<boolean>): Promise<number> {
    const queue = this.queue(streamKey)
    let cleared = 0
    for (let step = -1; step !== 0; cleared += Math.max(0, step)) {
      if (!(await isWanted())) return cleared
      step = await queue.deleteOldest()
    }
    return cleared
  }

  queue(streamKey: string): StreamQueue<PromotionEntry> {
    const known = this.#queues.get(streamKey)
    if (known !== undefined) return known
    const queue = new StreamQueue<PromotionEntry>(streamKey, { ...this.#options, codec: 'flat' })
    this.#queues.set(streamKey, queue)
    return queue
  }

  /** One a stream: calls that wait for one that does not answer are in nobody's way. */
  #adderOf(streamKey: string): Adder {
    const known = this.#adders.get(streamKey)
    if (known !== undefined) return known
    const adder: Adder = new Batcher({
      maxSize: BATCH_SIZE,
      maxConcurrent: 4,
      isItemError: error => error instanceof StreamError && error.code === 'STREAM_BAD_FIELDS',
      run: entries => this.#addEach(streamKey, entries),
    })
    this.#adders.set(streamKey, adder)
    return adder
  }

  /** What became of each: those that were added are not to be added again with the others. */
  async #addEach(streamKey: string, entries: readonly PromotionEntry[]): Promise<(Error | undefined)[]> {
    try {
      const added = await this.enqueueAll(streamKey, entries)
      const rest = added < entries.length ? new StreamError('STREAM_ADD_FAILED', PARTLY, { canRetry: true }) : undefined
      return entries.map((_entry, index) => (index < added ? undefined : rest))
    } catch (error) {
      if (error instanceof StreamError && error.code === 'STREAM_BAD_FIELDS') throw error
      return entries.map(() => toError(error))
    }
  }

  #logLeft(streamKey: string, error: unknown): void {
    const nowMs = performance.now()
    if (nowMs - (this.#leftLoggedAtMs.get(streamKey) ?? Number.NEGATIVE_INFINITY) < LEFT_LOG_INTERVAL_MS) return
    this.#leftLoggedAtMs.set(streamKey, nowMs)
    const text = 'this stream cannot be written, others can: its gifts wait as rows, upkeep puts them on it later'
    this.#options.logger?.warn({ err: toError(error), streamKey }, text)
  }

  #placesOf(fill: StreamFill, share: number): number {
    return placesOf(fill, this.#limit, share)
  }

  get #limit(): number {
    return this.#options.maxLen * FULL_SHARE
  }

  #fillOf(streamKey: string): StreamFill {
    const known = this.#fills.get(streamKey)
    if (known !== undefined) return known
    const fill = unknownFill()
    this.#fills.set(streamKey, fill)
    return fill
  }

  async #read(streamKey: string, maxAgeMs: number): Promise<StreamFill> {
    const fill = this.#fillOf(streamKey)
    if (performance.now() - fill.readAt >= maxAgeMs) {
      fill.reading ??= this.#readLength(streamKey, fill)
      await fill.reading
    }
    return fill
  }

  async #readLength(streamKey: string, fill: StreamFill): Promise<void> {
    const addedBefore = fill.addedSinceRead
    fill.askedAtMs = performance.now()
    try {
      fill.length = await this.queue(streamKey).length()
      // What was added while the answer was under way may or may not be in it: count it once more, not once less.
      fill.addedSinceRead -= addedBefore
      fill.readAt = performance.now()
      this.#lengthTroubles.worked(streamKey)
    } finally {
      fill.reading = undefined
    }
  }
}

/** A second entry of one gift is harmless, so that here every failure may be tried again. */
function repeatable(error: StreamAddError): StreamError {
  return new StreamError(error.code, error.message, { cause: error, canRetry: true })
}
