import { errorLine } from '#runtime/errors.ts'

/** A stream that fails for this long while others work is in trouble of its own, in ms. */
const OWN_AFTER_MS = 3000
const MAX_STREAMS = 10_000

/**
 * Tells a stream's own trouble (a key of another type, its shard away) from a Redis that is away: for the first nobody
 * else may wait, for the second everybody does.
 */
export class StreamTroubles {
  readonly #failingSinceMs = new Map<string, number>()
  #workedAtMs = Number.NEGATIVE_INFINITY

  worked(streamKey: string, nowMs = performance.now()): void {
    this.#failingSinceMs.delete(streamKey)
    this.#workedAtMs = nowMs
  }

  /** @returns whether it is this stream's own trouble. */
  failed(streamKey: string, error: unknown, nowMs = performance.now()): boolean {
    if (errorLine(error).includes('WRONGTYPE')) return true
    const sinceMs = this.#failingSinceMs.get(streamKey)
    if (sinceMs !== undefined) return this.#workedAtMs - sinceMs >= OWN_AFTER_MS
    if (this.#failingSinceMs.size >= MAX_STREAMS) this.#failingSinceMs.clear()
    this.#failingSinceMs.set(streamKey, nowMs)
    return false
  }
}
