import { ReplyError } from 'ioredis'
import { errorLine } from '#runtime/errors.ts'

/** A stream that fails for this long while others work is in trouble of its own, in ms. */
const OWN_AFTER_MS = 3000
const MAX_STREAMS = 10_000

/** Refusals that say how the server is, or who we are to it: it would refuse any other stream as well. */
const OF_THE_SERVER =
  /\b(?:OOM|MISCONF|READONLY|LOADING|MASTERDOWN|UNBLOCKED|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|NOAUTH|WRONGPASS)\b/

/**
 * Tells a stream's own trouble (the server refuses this one, its shard is away) from a Redis that is away: for the first
 * nobody else may wait, for the second everybody does.
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

  /** @returns whether it is this stream's own trouble: at once when the server refuses it, else in time. */
  failed(streamKey: string, error: unknown, nowMs = performance.now()): boolean {
    const isOwn = isRefusalOfOne(error) || this.#workedAtMs - this.#failsSince(streamKey, nowMs) >= OWN_AFTER_MS
    if (isOwn) this.#noteOwn(streamKey, nowMs)
    return isOwn
  }

  #failsSince(streamKey: string, nowMs: number): number {
    const sinceMs = this.#failingSinceMs.get(streamKey)
    if (sinceMs !== undefined) return sinceMs
    if (this.#failingSinceMs.size >= MAX_STREAMS) this.#failingSinceMs.clear()
    this.#failingSinceMs.set(streamKey, nowMs)
    return nowMs
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

/** The server answered, and what it said is about this stream only. Silence and a lost connection say nothing of it. */
function isRefusalOfOne(error: unknown): boolean {
  let cause = error
  while (cause instanceof Error && !(cause instanceof ReplyError)) cause = cause.cause
  return cause instanceof ReplyError && !OF_THE_SERVER.test(errorLine(cause))
}
