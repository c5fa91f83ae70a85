import { performance, sleep } from './clock.ts'
import type { HighWaterMark } from './queue-options.ts'

/** How long a known length is believed, and the pause between two looks at a full stream, in ms. */
const POLL_MS = 50
const DEFAULT_TIMEOUT_MS = 30_000

/** Places on the stream, taken for entries to come. */
export interface Places {
  /** To be called once, when it is known what became of them: `used` is how many entries may be on the stream. */
  settle(used: number): void
}

/**
 * Admission below a high-water mark. Places are taken before anything is sent, so that calls made together do not all see
 * the same room; who finds none waits its turn, first come, first served. It knows of what this queue adds at once, of
 * what others add within 50 ms.
 */
export class Room {
  readonly #mark: HighWaterMark
  readonly #readLength: () => Promise<number>
  #length = 0
  #readAtMs = Number.NEGATIVE_INFINITY
  /** Taken and not yet settled, by who took them. */
  readonly #taken = new Map<Places, { count: number; settled: PromiseWithResolvers<void> }>()
  #takenCount = 0
  /** Settled as used since the length was read. */
  #usedSinceRead = 0
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(mark: HighWaterMark, readLength: () => Promise<number>) {
    this.#mark = mark
    this.#readLength = readLength
  }

  /** More would never fit. */
  get size(): number {
    return this.#mark.length
  }

  /** Takes all places or none; undefined when the stream stays full. Rejects when its length cannot be read. */
  async take(count: number): Promise<Places | undefined> {
    if (this.#waiting === 0 && this.#isFresh && this.#fits(count)) return this.#reserve(count)
    const deadlineMs = performance.now() + (this.#mark.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    this.#waiting += 1
    const turn = this.#turn.then(() => this.#takeInTurn(count, deadlineMs)).finally(() => (this.#waiting -= 1))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #takeInTurn(count: number, deadlineMs: number): Promise<Places | undefined> {
    for (;;) {
      if (!this.#isFresh) await this.#read()
      // What is under way may be counted twice: only when it has settled does the length tell.
      if (!this.#fits(count) && this.#taken.size > 0) {
        await Promise.all([...this.#taken.values()].map(({ settled }) => settled.promise))
        await this.#read()
      }
      if (this.#fits(count)) return this.#reserve(count)
      const leftMs = this.#mark.onFull === 'refuse' ? 0 : deadlineMs - performance.now()
      if (leftMs <= 0) return undefined
      await sleep(Math.min(POLL_MS, leftMs))
    }
  }

  get #isFresh(): boolean {
    return performance.now() - this.#readAtMs < POLL_MS
  }

  #fits(count: number): boolean {
    return this.#length + this.#usedSinceRead + this.#takenCount + count <= this.#mark.length
  }

  #reserve(count: number): Places {
    const settled = Promise.withResolvers<void>()
    const places: Places = {
      settle: used => {
        if (!this.#taken.delete(places)) return
        this.#takenCount -= count
        this.#usedSinceRead += used
        settled.resolve()
      },
    }
    this.#taken.set(places, { count, settled })
    this.#takenCount += count
    return places
  }

  async #read(): Promise<void> {
    const usedBefore = this.#usedSinceRead
    this.#length = await this.#readLength()
    // What settled while the answer was under way may or may not be in it: it is counted once more, not once less.
    this.#usedSinceRead -= usedBefore
    this.#readAtMs = performance.now()
  }
}
