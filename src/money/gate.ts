import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'
import { type BreakerState, MoneyBreaker } from './breaker.ts'
import { type HttpAnswer, isOutage, isRefusedCredentials } from './charge.ts'
import { CredentialsLatch, type CredentialsRefusal } from './credentials-latch.ts'
import type { HttpCall, HttpPool } from './http.ts'
import { Permits } from './permits.ts'
import type { MoneyStatus } from './status.ts'

/** Nothing was called: the Money API is down, refuses our credentials, or the caller thought better of it. */
export interface Held {
  kind: 'held'
  reason: string
}

export interface MoneyGateOptions {
  http: HttpPool
  /** For what all instances share; fails at once, or within a second, when it is away. */
  redis: Redis | Cluster
  /** `MONEY_API_RATE_LIMIT`; 0 = none. */
  rateLimit: number
  /** GET of a key: a call that changes nothing. */
  probePath(gift: string): string
  /** False: a refusal of our credentials is our own affair (a shell's wrong token must not stop the workers). */
  tellsRefusals?: boolean
  logger: Logger
}

const WITHDRAWN: Held = { kind: 'held', reason: 'not wanted any more when its turn had come' }
const STOPPING: Held = { kind: 'held', reason: 'stopping' }

/** While the breaker is open, one GET in this long finds out whether the Money API answers again, in ms. */
const PROBE_INTERVAL_MS = 1000
/** Longest pause when GETs are answered and POSTs still fail, in ms. */
const MAX_PROBE_INTERVAL_MS = 5000

/**
 * Stands before every call to the Money API: circuit breaker, refused credentials, rate limit. Held calls cost nothing;
 * whoever feeds it stops reading while it is held (`onHold`), and goes on when a probe has been answered.
 */
export class MoneyGate {
  readonly #options: MoneyGateOptions
  readonly #breaker: MoneyBreaker
  readonly #latch: CredentialsLatch
  readonly #permits: Permits | undefined
  readonly #listeners: ((isHeld: boolean) => void)[] = []
  readonly service: Service
  /** Stopped first: whoever waits for a permit is told so, and a stop does not wait for the rate limit. */
  readonly waiting: Service
  #breakerSinceMs = Date.now()
  /** The breaker has opened, and no GET has been answered since. */
  #isDown = false
  #relapses = 0
  #isStopped = false
  #timer: NodeJS.Timeout | undefined
  #lastGift = 'VOUCHER:1'

  constructor(options: MoneyGateOptions) {
    const { redis, logger, rateLimit } = options
    this.#options = options
    this.#breaker = new MoneyBreaker({ minOpenMs: PROBE_INTERVAL_MS, onState: state => this.#onBreaker(state) })
    this.#latch = new CredentialsLatch({
      redis,
      logger,
      onChange: refusal => this.#onCredentials(refusal),
      probe: async () => areTaken(await this.#probe()),
    })
    const instance = randomBytes(8).toString('hex')
    this.#permits = rateLimit === 0 ? undefined : new Permits({ limit: rateLimit, redis, instance, logger })
    this.service = service('money-gate', {
      start: async () => void (await Promise.all([this.#latch.start(), this.#permits?.start()])),
      stop: async () => this.#stop(),
    })
    this.waiting = service('money-permits', {
      start: async () => undefined,
      stop: async () => this.#permits?.close(),
    })
  }

  get isHeld(): boolean {
    return this.#isDown || this.#latch.refusal !== undefined
  }

  get status(): MoneyStatus {
    const { refusal } = this.#latch
    // Its minimum pause is over for good once a GET was answered; the next calls are its probes.
    const breaker = this.#breaker.state === 'open' && !this.isHeld ? 'half-open' : this.#breaker.state
    return {
      breaker,
      breakerSince: new Date(this.#breakerSinceMs).toISOString(),
      credentialsRefused: refusal !== undefined,
      credentialsRefusedSince: refusal?.since ?? null,
      rateLimited: this.#permits?.isShort ?? false,
    }
  }

  /** Called with true when nothing more should be fed to it, with false when calls may go on; at once when it is held. */
  onHold(listener: (isHeld: boolean) => void): void {
    this.#listeners.push(listener)
    if (this.isHeld) listener(true)
  }

  /**
   * One exchange, when it may be made. Waits for a permit, not for a Money API that is down. `mayCall` is asked after
   * every wait, however long; rejects only as it does.
   */
  async exchange(
    gift: string,
    call: HttpCall,
    mayCall: () => Promise<boolean> = always,
  ): Promise<(HttpAnswer & { seconds: number }) | Held> {
    if (this.isHeld) return this.#held()
    const refusal = await this.#takePermit(call.signal, mayCall)
    if (refusal !== undefined) return refusal
    this.#lastGift = gift
    let sentAtMs = 0
    let isWithdrawn = false
    const answer = await this.#breaker.run(gift, async () => {
      // It may have waited for the verdict of the probes.
      isWithdrawn = !(await mayCall())
      if (isWithdrawn || this.isHeld) return undefined
      sentAtMs = performance.now()
      return this.#options.http.exchange(call)
    })
    if (answer === undefined) return isWithdrawn ? WITHDRAWN : this.#held()
    this.#noteRefusal(answer)
    return { ...answer, seconds: (performance.now() - sentAtMs) / 1000 }
  }

  /** Undefined: it is ours. What is withdrawn leaves here: to the breaker, half-open, it would be a call that went well. */
  async #takePermit(signal: AbortSignal | undefined, mayCall: () => Promise<boolean>): Promise<Held | undefined> {
    const permits = this.#permits
    if (permits === undefined) return undefined
    const isGranted = await permits.take(signal)
    if (this.isHeld) return this.#held()
    if (!isGranted) return STOPPING
    const takenAtMs = Date.now()
    if (await mayCall()) return undefined
    permits.giveBack(takenAtMs)
    return WITHDRAWN
  }

  #noteRefusal(answer: HttpAnswer): void {
    if (this.#options.tellsRefusals !== false && isRefusedCredentials(answer)) this.#latch.refused(codeOf(answer))
  }

  #held(): Held {
    const { refusal } = this.#latch
    const reason =
      refusal === undefined ? 'the Money API is down' : `the Money API refuses our credentials (${refusal.code})`
    return { kind: 'held', reason }
  }

  #onBreaker(state: BreakerState): void {
    this.#breakerSinceMs = Date.now()
    const { logger } = this.#options
    if (state === 'closed') {
      this.#relapses = 0
      logger.info('the Money API answers again: calls go on')
    } else if (state === 'open' && !this.#breaker.isForced) {
      logger.error('the Money API does not answer, or with 5xx: calls are held back')
      this.#setDown(true)
      this.#scheduleProbe()
      this.#relapses += 1
    }
  }

  #onCredentials(refusal: CredentialsRefusal | undefined): void {
    const { logger } = this.#options
    if (refusal === undefined) logger.info('calls to the Money API go on: its refusal of our credentials was lifted')
    else {
      logger.error(refusal, 'the Money API refuses our credentials (MONEY_API_TOKEN): calls are held back')
      // Whenever it is lifted, a few calls go first.
      void this.#breaker.trip()
    }
    this.#tell()
  }

  #setDown(isDown: boolean): void {
    this.#isDown = isDown
    this.#tell()
  }

  #tell(): void {
    // A permit each, only to hear that they are held, would keep the probes waiting behind them.
    if (this.isHeld) this.#permits?.dismiss()
    for (const listener of this.#listeners) listener(this.isHeld)
  }

  #scheduleProbe(): void {
    if (this.#isStopped) return
    const pauseMs = Math.min(PROBE_INTERVAL_MS * 2 ** this.#relapses, MAX_PROBE_INTERVAL_MS)
    clearTimeout(this.#timer)
    // Instances that saw it go down together do not ask together.
    this.#timer = setTimeout(() => void this.#probeOutage(), pauseMs * (1 + Math.random() / 5))
  }

  async #probeOutage(): Promise<void> {
    const answer = await this.#probe()
    if (answer === undefined || isOutage(answer)) return this.#scheduleProbe()
    this.#noteRefusal(answer)
    this.#setDown(false)
  }

  async #probe(): Promise<HttpAnswer | undefined> {
    if (this.#permits !== undefined && !(await this.#permits.take())) return undefined
    return this.#options.http.exchange({ method: 'GET', path: this.#options.probePath(this.#lastGift) })
  }

  #stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#latch.stop()
    this.#permits?.stop()
  }
}

const always = async () => true

function codeOf(answer: HttpAnswer): string {
  return answer.kind === 'reply' ? `HTTP_${answer.status}` : 'NO_REPLY'
}

/** Undefined: the answer says nothing about our credentials. */
function areTaken(answer: HttpAnswer | undefined): boolean | undefined {
  if (answer === undefined || isOutage(answer)) return undefined
  return !isRefusedCredentials(answer)
}
