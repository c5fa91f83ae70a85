import { LRUCache } from 'lru-cache'
import type { PromotionEntry } from '#queues/promotion-stream.ts'
import { Batcher } from '#runtime/batcher.ts'
import { type StreamConnection, StreamQueue } from '#stream/index.ts'

export interface StreamProducerOptions {
  connection: StreamConnection
  /** Bound of one stream (`MAXLEN ~`). */
  maxLen: number
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

const CLEAR_STEP = 10_000

interface Fill {
  length: number
  readAt: number
  reading: Promise<void> | undefined
  /** Admitted and not yet known to be part of `length`. */
  outstanding: number
  addedSinceRead: number
}

interface Enqueued {
  streamKey: string
  entry: PromotionEntry
}

/** The spec's `PromotionStreamProducer`: XADD with `MAXLEN ~`, and nothing else a processor could need of a stream. */
export class PromotionStreamProducer {
  readonly #options: StreamProducerOptions
  readonly #queues = new LRUCache<string, StreamQueue<PromotionEntry>>({ max: 10_000 })
  readonly #fills = new LRUCache<string, Fill>({ max: 10_000 })
  readonly #adds: Batcher<Enqueued, undefined>

  constructor(options: StreamProducerOptions) {
    this.#options = options
    this.#adds = new Batcher({
      maxSize: 500,
      maxConcurrent: 4,
      isItemError: () => false,
      run: async items => {
        const groups = Map.groupBy(items, item => item.streamKey)
        await Promise.all(
          [...groups].map(([streamKey, group]) =>
            this.enqueueAll(
              streamKey,
              group.map(({ entry }) => entry),
            ),
          ),
        )
        return items.map(() => undefined)
      },
    })
  }

  /** How many entries a stream may still take. */
  async room(streamKey: string): Promise<number> {
    const fill = await this.#read(streamKey, 0)
    return Math.max(0, Math.floor(this.#limit - fill.length - fill.outstanding - fill.addedSinceRead))
  }

  /** Takes a place on the stream for an entry to come; false when it is full. Give it back by `enqueue` or `release`. */
  async admit(streamKey: string): Promise<boolean> {
    let fill = await this.#read(streamKey, LENGTH_MAX_AGE_MS)
    if (!this.#hasShare(fill)) fill = await this.#read(streamKey, LENGTH_MIN_AGE_MS)
    if (!this.#hasShare(fill)) return false
    fill.outstanding += 1
    return true
  }

  release(streamKey: string): void {
    const fill = this.#fills.get(streamKey)
    if (fill !== undefined) fill.outstanding = Math.max(0, fill.outstanding - 1)
  }

  /**
   * Resolves when Redis has the entry. After a rejection it may be there or not: adding it again is harmless, the row
   * tells a second one that the first was done.
   */
  async enqueue(streamKey: string, key: string, message: string): Promise<void> {
    await this.#adds.add({ streamKey, entry: { key, message } })
    this.release(streamKey)
  }

  async enqueueAll(streamKey: string, entries: PromotionEntry[]): Promise<void> {
    await this.queue(streamKey).addBulk(entries)
    const fill = this.#fills.get(streamKey)
    if (fill !== undefined) fill.addedSinceRead += entries.length
  }

  /**
   * Deletes every entry in bounded steps and leaves the group: a member of another kind would spin without it. `isWanted`
   * is asked before each step: entries that come with a start are not to be deleted.
   */
  async clear(streamKey: string, isWanted: () => Promise<boolean>): Promise<number> {
    const { client } = this.#options.connection
    let cleared = 0
    for (let step = -1; step !== 0; cleared += step) {
      if (!(await isWanted())) return cleared
      step = await client.xtrim(streamKey, 'MAXLEN', '~', 0, 'LIMIT', CLEAR_STEP)
    }
    return (await isWanted()) ? cleared + (await client.xtrim(streamKey, 'MAXLEN', 0)) : cleared
  }

  queue(streamKey: string): StreamQueue<PromotionEntry> {
    const known = this.#queues.get(streamKey)
    if (known !== undefined) return known
    const queue = new StreamQueue<PromotionEntry>(streamKey, this.#options)
    this.#queues.set(streamKey, queue)
    return queue
  }

  /** Others fill the same stream, and what they have under way is in no length that we read. */
  #hasShare({ length, outstanding, addedSinceRead }: Fill): boolean {
    return outstanding + addedSinceRead < (this.#limit - length) * ROOM_SHARE
  }

  get #limit(): number {
    return this.#options.maxLen * FULL_SHARE
  }

  async #read(streamKey: string, maxAgeMs: number): Promise<Fill> {
    let fill = this.#fills.get(streamKey)
    if (fill === undefined) {
      fill = { length: 0, readAt: Number.NEGATIVE_INFINITY, reading: undefined, outstanding: 0, addedSinceRead: 0 }
      this.#fills.set(streamKey, fill)
    }
    if (performance.now() - fill.readAt >= maxAgeMs) {
      fill.reading ??= this.#readLength(streamKey, fill)
      await fill.reading
    }
    return fill
  }

  async #readLength(streamKey: string, fill: Fill): Promise<void> {
    const addedBefore = fill.addedSinceRead
    try {
      fill.length = await this.queue(streamKey).length()
      // What was added while the answer was under way may or may not be in it: count it once more, not once less.
      fill.addedSinceRead -= addedBefore
      fill.readAt = performance.now()
    } finally {
      fill.reading = undefined
    }
  }
}
