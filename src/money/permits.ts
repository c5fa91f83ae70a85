import type { Cluster, Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { pause } from '#runtime/pause.ts'

export interface PermitsOptions {
  /** Calls a second over all instances. */
  limit: number
  /** Fails at once, or within a second, when Redis is away. */
  redis: Redis | Cluster
  /** This process's own name among those that share the limit. */
  instance: string
  logger: Logger
}

const KEY_PREFIX = 'promostream:money:permits'
const CALLERS_KEY = 'promostream:money:callers'
/** A second is cut into so many windows, each with a counter of its own. */
const WINDOWS_PER_SECOND = 10
/** An instance takes so much of a window at once. */
const CHUNKS_PER_WINDOW = 5
/** Left out, so that no second has more than the limit where calls arrive unevenly. */
const SHARE_USED = 0.98
/** Between two questions to Redis at least, in ms: what gathers meanwhile is one question. */
const GATHER_MS = 4
/** A window's counter outlives it by as much as the clocks of two instances may differ, in s. */
const COUNTER_TTL_SECONDS = 60
/** So long this process's own counter of a window outlives it, in s. */
const OWN_COUNTER_TTL_SECONDS = 1
const CALLERS_INTERVAL_MS = 2000
const CALLER_TTL_MS = 10_000
/** Pause before Redis is asked again after an error, in ms. */
const REDIS_PAUSE_MS = 3000

interface Waiting {
  resolve(isGranted: boolean): void
  signal: AbortSignal | undefined
}

interface Window {
  /** At least one. */
  points: number
  lengthMs: number
}

/** The windows of so many calls a second. Exact whatever they are: one permit a window is the least. */
function windowOf(perSecond: number): Window {
  const points = Math.max(1, Math.floor(perSecond / WINDOWS_PER_SECOND))
  return { points, lengthMs: (1000 * points) / perSecond }
}

/** Permits that this process has, and from when on they may be spent: the n-th of a window when its n-th part has passed. */
interface Chunk {
  granted: number
  dueAtMs: number
}

/**
 * `MONEY_API_RATE_LIMIT`: permits are taken in chunks from counters in Redis, one a window of a tenth of a second, first
 * come first served, and spent evenly over the window. Without Redis each instance gets an equal share of the limit, by the last known number of them.
 */
export class Permits {
  readonly #options: PermitsOptions
  readonly #windowMs: number
  readonly #chunk: number
  readonly #shared: RateLimiterRedis
  readonly #own: RateLimiterMemory
  readonly #waiting: Waiting[] = []
  #stock = 0
  #stockEndsAtMs = 0
  #isClosed = false
  #isRefilling = false
  #askedAtMs = Number.NEGATIVE_INFINITY
  #isShort = false
  #callers = 1
  #redisDueAtMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: PermitsOptions) {
    const { limit, redis } = options
    this.#options = options
    const { points, lengthMs } = windowOf(limit * SHARE_USED)
    this.#windowMs = lengthMs
    this.#chunk = Math.ceil(points / CHUNKS_PER_WINDOW)
    this.#shared = new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: KEY_PREFIX,
      points,
      duration: COUNTER_TTL_SECONDS,
      rejectIfRedisNotReady: true,
    })
    this.#own = new RateLimiterMemory({ keyPrefix: KEY_PREFIX, points: 1, duration: OWN_COUNTER_TTL_SECONDS })
  }

  /** Do calls wait for a permit because the limit is reached? */
  get isShort(): boolean {
    return this.#isShort && this.#waiting.length > 0
  }

  get waiting(): number {
    return this.#waiting.length
  }

  async start(): Promise<void> {
    await this.#countCallers()
    this.#timer = setInterval(() => void this.#countCallers(), CALLERS_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.close()
  }

  /** From now on nobody waits. */
  close(): void {
    this.#isClosed = true
    this.dismiss()
  }

  /** Whoever waits now gets none. */
  dismiss(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(false)
  }

  /**
   * Resolves with true when one call may be made, in the order of asking, urgent ones first; with false when `signal` has aborted, or when
   * it was dismissed or closed.
   */
  take(signal?: AbortSignal, isUrgent = false): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#spend()) return Promise.resolve(true)
    if (this.#isClosed) return Promise.resolve(false)
    const waiting = Promise.withResolvers<boolean>()
    this.#waiting[isUrgent ? 'unshift' : 'push']({ resolve: waiting.resolve, signal })
    void this.#refill()
    return waiting.promise
  }

  /** One that was taken and not used: for the next in line, while it is of the latest chunk. */
  giveBack(takenAtMs: number): void {
    if (takenAtMs < this.#stockEndsAtMs - this.#windowMs || Date.now() > this.#stockEndsAtMs) return
    this.#stock += 1
    this.#serve()
  }

  #spend(): boolean {
    if (this.#stock === 0 || Date.now() > this.#stockEndsAtMs) return false
    this.#stock -= 1
    return true
  }

  /** One at a time, for as long as somebody waits. */
  async #refill(): Promise<void> {
    if (this.#isRefilling) return
    this.#isRefilling = true
    try {
      while (this.#serve() > 0) {
        await pause(this.#askedAtMs + GATHER_MS - performance.now())
        this.#askedAtMs = performance.now()
        const { granted, dueAtMs } = await this.#ask(Math.min(this.#waiting.length, this.#chunk))
        this.#isShort = dueAtMs > Date.now()
        await pause(dueAtMs - Date.now())
        this.#stock = granted
        this.#stockEndsAtMs = Date.now() + this.#windowMs
      }
    } finally {
      this.#isRefilling = false
    }
  }

  /** Hands out what there is; returns how many still wait. */
  #serve(): number {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Waiting
      if (!first.signal?.aborted && !this.#spend()) break
      this.#waiting.shift()
      first.resolve(!first.signal?.aborted)
    }
    return this.#waiting.length
  }

  /** With nothing granted, `dueAtMs` is when it is worth asking again. */
  async #ask(wanted: number): Promise<Chunk> {
    if (performance.now() >= this.#redisDueAtMs) {
      try {
        return await consume(this.#shared, this.#windowMs, wanted)
      } catch (error) {
        this.#redisDueAtMs = performance.now() + REDIS_PAUSE_MS
        this.#options.logger.debug({ err: toError(error) }, `permits: Redis is away: ${errorLine(error)}`)
      }
    }
    const { points, lengthMs } = windowOf((this.#options.limit * SHARE_USED) / this.#callers)
    this.#own.points = points
    this.#own.duration = OWN_COUNTER_TTL_SECONDS + lengthMs / 1000
    return consume(this.#own, lengthMs, wanted)
  }

  async #countCallers(): Promise<void> {
    const { redis, instance, logger } = this.#options
    const nowMs = Date.now()
    try {
      await redis.zadd(CALLERS_KEY, nowMs, instance)
      await redis.zremrangebyscore(CALLERS_KEY, '-inf', String(nowMs - CALLER_TTL_MS))
      this.#callers = Math.max(1, await redis.zcard(CALLERS_KEY))
    } catch (error) {
      logger.debug({ err: toError(error) }, `permits: Redis is away: ${errorLine(error)}`)
    }
  }
}

/** Takes what the present window still has, its last few too. Rejects when the store fails. */
async function consume(
  limiter: RateLimiterRedis | RateLimiterMemory,
  windowMs: number,
  wanted: number,
): Promise<Chunk> {
  const window = Math.floor(Date.now() / windowMs)
  const { consumedPoints } = await limiter.consume(String(window), wanted).catch(refusal => {
    if (refusal instanceof RateLimiterRes) return refusal
    throw refusal
  })
  const taken = consumedPoints - wanted
  const granted = Math.max(0, Math.min(wanted, limiter.points - taken))
  return { granted, dueAtMs: (window + Math.min(1, taken / limiter.points)) * windowMs }
}
