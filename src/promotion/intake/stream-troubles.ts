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
  /** When a stream's own trouble was seen last. */
  readonly #ownAtMs = new Map<string, number>()
  #workedAtMs = Number.NEGATIVE_INFINITY

  worked(streamKey: string, nowMs = performance.now()): void {
    this.#failingSinceMs.delete(streamKey)
    this.#ownAtMs.delete(streamKey)
    this.#workedAtMs = nowMs
  }

  /** @returns whether it is this stream's own trouble. */
  failed(streamKey: string, error: unknown, nowMs = performance.now()): boolean {
    if (errorLine(error).includes('WRONGTYPE')) return true
    const sinceMs = this.#failingSinceMs.get(streamKey)
    if (sinceMs === undefined) {
      if (this.#failingSinceMs.size >= MAX_STREAMS) this.#failingSinceMs.clear()
      this.#failingSinceMs.set(streamKey, nowMs)
      return false
    }
    const isOwn = this.#workedAtMs - sinceMs >= OWN_AFTER_MS
    if (isOwn) this.#noteOwn(streamKey, nowMs)
    return isOwn
  }

  /** It has failed for so long that others, if they work, tell whose trouble it is. */
  hasFailedLong(streamKey: string, nowMs = performance.now()): boolean {
    const sinceMs = this.#failingSinceMs.get(streamKey)
    return sinceMs !== undefined && nowMs - sinceMs >= OWN_AFTER_MS
  }

  /** Servers of other streams are known to work, although no other stream is written just now. */
  othersWork(streamKey: string, nowMs = performance.now()): void {
    this.#workedAtMs = nowMs
    this.#noteOwn(streamKey, nowMs)
  }

  /** In trouble of its own, and seen so within `maxAgeMs`. */
  isOwn(streamKey: string, maxAgeMs = Number.POSITIVE_INFINITY, nowMs = performance.now()): boolean {
    const atMs = this.#ownAtMs.get(streamKey)
    return atMs !== undefined && nowMs - atMs < maxAgeMs
  }

  #noteOwn(streamKey: string, nowMs: number): void {
    if (this.#ownAtMs.size >= MAX_STREAMS) this.#ownAtMs.clear()
    this.#ownAtMs.set(streamKey, nowMs)
  }
}
