import { randomBytes } from 'node:crypto'
import { type Service, service } from '#runtime/service.ts'
import { Belief } from './belief.ts'
import { type BreakerState, MoneyBreaker } from './breaker.ts'
import { CallLimit } from './call-limit.ts'
import { CallWindow } from './call-window.ts'
import { areTaken, codeOf, type HttpAnswer, sampleOf } from './charge.ts'
import { CredentialsLatch, type CredentialsRefusal } from './credentials-latch.ts'
import type { MoneyGateOptions } from './gate-options.ts'
import { Hearing, type HearingOptions } from './hearing.ts'
import type { HttpCall } from './http.ts'
import { OutageProbe, PROBE_INTERVAL_MS } from './outage-probe.ts'
import { Permits } from './permits.ts'
import type { MoneyStatus } from './status.ts'

/** Nothing was called: the Money API is down, refuses our credentials, or the caller thought better of it. */
export interface Blocked {
  kind: 'blocked'
  reason: string
}

export interface ExchangeOptions extends HearingOptions {
  /** Asked after every wait, however long. */
  mayCall?: (() => boolean | Promise<boolean>) | undefined
  /** It asks about what has been sent: before those that have not begun. */
  isUrgent?: boolean
}

const DEFAULT_MAX_IN_FLIGHT = 1024

const WITHDRAWN: Blocked = { kind: 'blocked', reason: 'not wanted any more when its turn had come' }
const STOPPING: Blocked = { kind: 'blocked', reason: 'stopping' }

/**
 * Stands before every call to the Money API: circuit breaker, refused credentials, rate limit. Blocked calls cost nothing;
 * whoever feeds it stops reading while it is blocked (`onBlocked`), and goes on when a probe has been answered.
 */
export class MoneyGate {
  readonly #options: MoneyGateOptions
  readonly #breaker: MoneyBreaker
  readonly #latch: CredentialsLatch
  readonly #permits: Permits | undefined
  readonly #window: CallWindow
  readonly #limit: CallLimit | undefined
  readonly #belief: Belief
  readonly #hearing: Hearing
  readonly #outage: OutageProbe
  readonly #listeners: ((isBlocked: boolean) => void)[] = []
  readonly service: Service
  /** Stopped first: whoever waits for a permit is told so, and a stop does not wait for the rate limit. */
  readonly waiting: Service
  #breakerSinceMs = Date.now()
  /** The breaker has opened, and no GET has been answered since. */
  #isDown = false
  #lastGift = 'VOUCHER:1'
  #trouble: string | null = null

  constructor(options: MoneyGateOptions) {
    const { redis, logger, rateLimit } = options
    this.#options = options
    const most = options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT
    this.#window = new CallWindow(most)
    this.#limit = options.isAdaptive === true ? new CallLimit(this.#window, most) : undefined
    this.#belief = new Belief({
      ask: key => this.#askFreely(this.#getOf(key)),
      findPaid: options.findPaid,
      hasPaid: options.hasPaid,
    })
    this.#hearing = new Hearing({
      http: options.http,
      belief: this.#belief,
      logger,
      onFirstPostsRefused: answer => this.#noteRefusal(answer),
    })
    this.#outage = new OutageProbe({
      askPaid: () => this.#belief.confirm(),
      askLast: async () => {
        const answer = await this.#askFreely(this.#getOf(this.#lastGift))
        if (answer !== undefined && sampleOf('GET', answer) === 'refused') this.#noteRefusal(answer)
        return answer
      },
      onBack: () => this.#setDown(false),
    })
    this.#breaker = new MoneyBreaker({ minOpenMs: PROBE_INTERVAL_MS, onState: state => this.#onBreaker(state) })
    this.#latch = new CredentialsLatch({
      redis,
      logger,
      onChange: refusal => this.#onCredentials(refusal),
      probe: async () => areTaken(await this.#askFreely(this.#getOf(this.#belief.paidKey ?? this.#lastGift))),
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

  get isBlocked(): boolean {
    return this.#isDown || this.#latch.refusal !== undefined
  }

  get status(): MoneyStatus {
    const { refusal } = this.#latch
    // Its minimum pause is over for good once a GET was answered; the next calls are its probes.
    const breaker = this.#breaker.state === 'open' && !this.isBlocked ? 'half-open' : this.#breaker.state
    return {
      breaker,
      breakerSince: new Date(this.#breakerSinceMs).toISOString(),
      breakerReason: breaker === 'closed' ? null : this.#trouble,
      credentialsRefused: refusal !== undefined,
      credentialsRefusedSince: refusal?.since ?? null,
      rateLimited: this.#permits?.isShort ?? false,
    }
  }

  /** Calls that may be under way at once, where it follows what the Money API bears; else undefined. */
  get callLimit(): number | undefined {
    return this.#limit?.limit
  }

  /** Calls that wait for their turn, or for a permit. */
  get callsWaiting(): number {
    return this.#window.waiting + (this.#permits?.waiting ?? 0)
  }

  /** Called with true when nothing more should be fed to it, with false when calls may go on; at once when it is blocked. */
  onBlocked(listener: (isBlocked: boolean) => void): void {
    this.#listeners.push(listener)
    if (this.isBlocked) listener(true)
  }

  /** Blocked, or about to be found out: no gift is given up now. */
  get isTroubled(): boolean {
    return this.isBlocked || this.#breaker.state !== 'closed'
  }

  /** Has the Money API given a clear answer to a call that was sent at this time (`performance.now`) or later? */
  isClearSince(sentAtMs: number): boolean {
    return this.#belief.isClearSince(sentAtMs)
  }

  /** It responds to nobody, as a gift found out whose attempts are used up: too few are under way for the breaker to see it. */
  async reportOutage(code: string): Promise<void> {
    if (this.isTroubled) return
    this.#trouble = code
    await this.#breaker.fail()
  }

  /**
   * One exchange, when it may be made. Waits for its turn and for a permit, not for a Money API that is down. Rejects only
   * as `mayCall` does.
   */
  async exchange(
    gift: string,
    call: HttpCall,
    options: ExchangeOptions = {},
  ): Promise<(HttpAnswer & { seconds: number }) | Blocked> {
    if (this.isBlocked) return this.#blocked()
    const entered = this.#window.enter(call.signal, options.isUrgent)
    if (entered !== true && !(await entered)) return this.isBlocked ? this.#blocked() : STOPPING
    let isAnswered = false
    try {
      const answer = await this.#exchangeInTurn(gift, call, options)
      isAnswered = answer.kind === 'reply' && sampleOf(call.method, answer) !== 'unusable'
      if (answer.kind !== 'blocked') this.#limit?.add(answer.seconds, isAnswered)
      return answer
    } finally {
      this.#window.leave(isAnswered)
    }
  }

  async #exchangeInTurn(gift: string, call: HttpCall, options: ExchangeOptions) {
    if (this.isBlocked) return this.#blocked()
    const mayCall = options.mayCall ?? always
    if (this.#permits !== undefined) {
      const refusal = await this.#takePermit(this.#permits, call.signal, mayCall, options.isUrgent)
      if (refusal !== undefined) return refusal
    }
    this.#lastGift = gift
    let isWithdrawn = false
    const answer = await this.#breaker.run({ gift, method: call.method }, async () => {
      // It may have waited for the verdict of the probes.
      const may = mayCall()
      isWithdrawn = !(typeof may === 'boolean' ? may : await may)
      if (isWithdrawn || this.isBlocked) return undefined
      const heard = await this.#hearing.exchange(gift, call, options)
      if (sampleOf(call.method, heard) === 'unusable') this.#trouble = codeOf(heard)
      return heard
    })
    if (answer === undefined) return isWithdrawn ? WITHDRAWN : this.#blocked()
    if (sampleOf(call.method, answer) === 'refused') this.#noteRefusal(answer)
    return answer
  }

  /** Undefined: it is ours. What is withdrawn leaves here: to the breaker, half-open, it would be a call that went well. */
  async #takePermit(
    permits: Permits,
    signal: AbortSignal | undefined,
    mayCall: () => boolean | Promise<boolean>,
    isUrgent = false,
  ): Promise<Blocked | undefined> {
    const isGranted = await permits.take(signal, isUrgent)
    if (this.isBlocked) return this.#blocked()
    if (!isGranted) return STOPPING
    const takenAtMs = Date.now()
    if (await mayCall()) return undefined
    permits.giveBack(takenAtMs)
    return WITHDRAWN
  }

  #noteRefusal(answer: HttpAnswer): void {
    if (this.#options.tellsRefusals !== false) this.#latch.refused(codeOf(answer))
  }

  #blocked(): Blocked {
    const { refusal } = this.#latch
    const reason =
      refusal === undefined
        ? `the Money API gives no usable answer (${this.#trouble ?? 'NO_REPLY'})`
        : `the Money API refuses our credentials (${refusal.code})`
    return { kind: 'blocked', reason }
  }

  #onBreaker(state: BreakerState): void {
    this.#breakerSinceMs = Date.now()
    const { logger } = this.#options
    if (state === 'closed') {
      this.#outage.closed()
      logger.info('the Money API answers again: calls go on')
    } else if (state === 'open' && !this.#breaker.isForced) {
      logger.error(`the Money API gives no usable answer (${this.#trouble ?? 'NO_REPLY'}): calls are blocked`)
      this.#window.shrink()
      this.#setDown(true)
      this.#outage.opened()
    }
  }

  #onCredentials(refusal: CredentialsRefusal | undefined): void {
    const { logger } = this.#options
    if (refusal === undefined) logger.info('calls to the Money API go on: its refusal of our credentials was lifted')
    else {
      logger.error(refusal, 'the Money API refuses our credentials (MONEY_API_TOKEN): calls are blocked')
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
    // A permit each, only to hear that they are blocked, would keep the probes waiting behind them.
    if (this.isBlocked) {
      this.#window.dismiss()
      this.#permits?.dismiss()
    }
    for (const listener of this.#listeners) listener(this.isBlocked)
  }

  #getOf = (key: string): HttpCall => ({ method: 'GET', path: this.#options.probePath(key) })

  /** Outside the breaker, within the rate limit. */
  async #askFreely(call: HttpCall): Promise<HttpAnswer | undefined> {
    if (this.#permits !== undefined && !(await this.#permits.take(undefined, true))) return undefined
    return this.#options.http.exchange(call)
  }

  #stop(): void {
    this.#window.close()
    this.#outage.stop()
    this.#latch.stop()
    this.#permits?.stop()
  }
}

const always = () => true
