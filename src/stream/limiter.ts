import { RateLimiterRedis } from 'rate-limiter-flexible'
import { performance } from './clock.ts'
import { clientOf, type StreamConnection } from './connection.ts'
import { limiterKey } from './stream-name.ts'

/** As BullMQ's `limiter`: at most `max` handlers begin in a window, over all workers of all processes. */
export interface LimiterOptions {
  /** Most handlers of one window. */
  max: number
  /** Length of the window, in ms. Default 1,000. */
  duration?: number
  /** The same in whole seconds. */
  windowSeconds?: number
}

/**
 * rate-limiter-flexible's own counts in whole seconds; this one in ms: what it calls seconds we give as ms, and the server
 * takes as such.
 */
const INCREMENT = `
redis.call('set', KEYS[1], 0, 'PX', ARGV[2], 'NX')
local consumed = redis.call('incrby', KEYS[1], ARGV[1])
local ttl = redis.call('pttl', KEYS[1])
if ttl == -1 then
  redis.call('set', KEYS[1], consumed, 'PX', ARGV[2])
  ttl = tonumber(ARGV[2])
end
return {consumed, ttl}`

/** How long what got no permit waits when the server did not answer, in ms. */
const RETRY_MS = 1000

/**
 * The rate limit of one queue, counted in Redis beside its stream (`{stream}:limiter`) by rate-limiter-flexible. A
 * fixed window, like BullMQ's: two windows' worth may begin on both sides of a border.
 */
export class QueueLimiter {
  readonly #store: RateLimiterRedis
  readonly #max: number
  readonly #stream: string
  readonly #onError: (error: unknown) => void
  #wanted: ((waitMs: number) => void)[] = []
  #blockedUntilMs = 0

  constructor(
    connection: StreamConnection,
    stream: string,
    { max, windowSeconds = 1, duration = 1000 * windowSeconds }: LimiterOptions,
    onError: (error: unknown) => void,
  ) {
    this.#max = max
    this.#stream = stream
    this.#onError = onError
    this.#store = new RateLimiterRedis({
      storeClient: clientOf(connection),
      points: max,
      duration,
      customIncrTtlLuaScript: INCREMENT,
      keyPrefix: '',
    })
  }

  /** Known to be used up: there is no use in reading. */
  isUsedUp(nowMs: number): boolean {
    return nowMs < this.#blockedUntilMs
  }

  /** Asks for one permit; returns 0 when it is there, else how long to wait before asking again, in ms. */
  acquire(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>()
    this.#wanted.push(resolve)
    // What asks in the same turn of the event loop asks together.
    if (this.#wanted.length === 1) setImmediate(() => void this.#ask())
    return promise
  }

  async #ask(): Promise<void> {
    const wanted = this.#wanted
    this.#wanted = []
    const { granted, waitMs } = await this.#take(wanted.length)
    for (const [index, resolve] of wanted.entries()) resolve(index < granted ? 0 : Math.max(1, waitMs))
  }

  async #take(count: number): Promise<{ granted: number; waitMs: number }> {
    const blockedMs = this.#blockedUntilMs - performance.now()
    if (blockedMs > 0) return { granted: 0, waitMs: blockedMs }
    try {
      const { consumedPoints, msBeforeNext } = await this.#store.penalty(limiterKey(this.#stream), count)
      const granted = permitsOf(count, consumedPoints, this.#max)
      if (granted < count) this.#blockedUntilMs = performance.now() + msBeforeNext
      return { granted, waitMs: msBeforeNext }
    } catch (error) {
      this.#onError(error)
      return { granted: 0, waitMs: RETRY_MS }
    }
  }
}

/** Of `asked` permits, those that lie within the window's `max`, when the count after asking is `countAfter`. Pure. */
export function permitsOf(asked: number, countAfter: number, max: number): number {
  return Math.max(0, Math.min(asked, max - (countAfter - asked)))
}
