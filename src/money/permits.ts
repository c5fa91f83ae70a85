import type { Cluster, Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

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
/** A second is cut into so many windows: whoever comes first takes a tenth of the limit at most. */
const WINDOWS_PER_SECOND = 10
/** An instance takes so much of a window at once. */
const CHUNKS_PER_WINDOW = 5
/** What gathers in this time is asked for at once, in ms. */
const GATHER_MS = 4
/** A window's counter outlives it by as much as the clocks of two instances may differ, in s. */
const COUNTER_TTL_SECONDS = 60
const CALLERS_INTERVAL_MS = 2000
const CALLER_TTL_MS = 10_000
/** Pause before Redis is asked again after an error, in ms. */
const REDIS_PAUSE_MS = 1000

interface Waiting {
  resolve(isGranted: boolean): void
  signal: AbortSignal | undefined
}

/**
 * `MONEY_API_RATE_LIMIT`: permits are taken in chunks from counters in Redis, one a window of a tenth of a second, first
 * come first served. Without Redis each instance gets an equal share of the limit, by the last known number of them.
 */
export class Permits {
  readonly #options: PermitsOptions
  /** Exact whatever the limit: one permit a window is the least. */
  readonly #perWindow: number
  readonly #windowMs: number
  readonly #chunk: number
  readonly #shared: RateLimiterRedis
  readonly #own: RateLimiterMemory
  readonly #waiting: Waiting[] = []
  #stock = 0
  #stockWindow = 0
  #isRefilling = false
  #isShort = false
  #callers = 1
  #redisDueAtMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: PermitsOptions) {
    const { limit, redis } = options
    this.#options = options
    this.#perWindow = Math.max(1, Math.floor(limit / WINDOWS_PER_SECOND))
    this.#windowMs = (1000 * this.#perWindow) / limit
    this.#chunk = Math.ceil(this.#perWindow / CHUNKS_PER_WINDOW)
    this.#shared = new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: KEY_PREFIX,
      points: this.#perWindow,
      duration: COUNTER_TTL_SECONDS,
      rejectIfRedisNotReady: true,
    })
    this.#own = new RateLimiterMemory({ keyPrefix: KEY_PREFIX, points: limit, duration: 1 })
  }

  /** Do calls wait for a permit because the limit is reached? */
  get isShort(): boolean {
    return this.#isShort && this.#waiting.length > 0
  }

  async start(): Promise<void> {
    await this.#countCallers()
    this.#timer = setInterval(() => void this.#countCallers(), CALLERS_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    for (const { resolve } of this.#waiting.splice(0)) resolve(false)
  }

  /** Resolves with true when one call may be made, in the order of asking; with false when `signal` has aborted. */
  take(signal?: AbortSignal): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#spend()) return Promise.resolve(true)
    const waiting = Promise.withResolvers<boolean>()
    this.#waiting.push({ resolve: waiting.resolve, signal })
    void this.#refill()
    return waiting.promise
  }

  #window(): number {
    return Math.floor(Date.now() / this.#windowMs)
  }

  #spend(): boolean {
    if (this.#stock === 0 || this.#stockWindow !== this.#window()) return false
    this.#stock -= 1
    return true
  }

  /** One at a time, for as long as somebody waits. */
  async #refill(): Promise<void> {
    if (this.#isRefilling) return
    this.#isRefilling = true
    try {
      while (this.#serve() > 0) {
        const window = this.#window()
        const granted = await this.#ask(window, Math.min(this.#waiting.length, this.#chunk))
        this.#isShort = granted === 0
        this.#stock = granted
        this.#stockWindow = this.#window()
        if (this.#serve() > 0) await pause(granted === 0 ? this.#msToNextWindow(window) : GATHER_MS)
      }
    } finally {
      this.#isRefilling = false
    }
  }

  /** Hands out what there is; answers how many still wait. */
  #serve(): number {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Waiting
      if (!first.signal?.aborted && !this.#spend()) break
      this.#waiting.shift()
      first.resolve(!first.signal?.aborted)
    }
    return this.#waiting.length
  }

  #msToNextWindow(window: number): number {
    return Math.max(1, Math.ceil((window + 1) * this.#windowMs - Date.now()))
  }

  async #ask(window: number, wanted: number): Promise<number> {
    if (performance.now() >= this.#redisDueAtMs) {
      try {
        return await consume(this.#shared, String(window), wanted)
      } catch (error) {
        this.#redisDueAtMs = performance.now() + REDIS_PAUSE_MS
        this.#options.logger.debug({ err: toError(error) }, `permits: Redis is away: ${errorLine(error)}`)
      }
    }
    this.#own.points = Math.max(1, Math.floor(this.#options.limit / this.#callers))
    return consume(this.#own, 'own', wanted)
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

/** How many of the wanted permits there were: also the last few of a window are used. Rejects when the store fails. */
async function consume(limiter: RateLimiterRedis | RateLimiterMemory, key: string, wanted: number): Promise<number> {
  try {
    await limiter.consume(key, wanted)
    return wanted
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal
    return Math.max(0, limiter.points - (refusal.consumedPoints - wanted))
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
