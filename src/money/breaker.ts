import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBreaker,
} from 'cockatiel'
import { type HttpAnswer, isOutage, isRefusedCredentials } from './charge.ts'

/**
 * Opens when more than 80 % of the last 100 calls failed, 10 at least, each of another gift: a gift whose call always
 * fails is one sample, and a Money API that spoils 40 % of its answers goes on being called.
 */
const SAMPLES = { size: 100, minimumNumberOfCalls: 10, threshold: 0.8 }
/** Calls that find out whether it is back; most of them have to be answered. The others wait for their verdict. */
const PROBES = { calls: 5, threshold: 0.5 }

const REFUSED: HttpAnswer = { kind: 'reply', status: 401, body: '', retryAfter: undefined }

/** An answer that says nothing about the Money API: no sample. */
class NoSample extends Error {
  readonly answer: HttpAnswer | undefined

  constructor(answer: HttpAnswer | undefined) {
    super('no sample')
    this.answer = answer
  }
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/**
 * A circuit breaker whose samples are exchanges with the Money API. Outages count (5xx, silence), and refused
 * credentials, which open it at once; every other answer shows that it lives. Once `minOpenMs` are over the next calls
 * are probes.
 */
export class MoneyBreaker {
  readonly #policy: CircuitBreakerPolicy
  readonly #failedGifts = new Set<string>()
  #isForced = false

  constructor(options: { minOpenMs: number; onState(state: BreakerState): void }) {
    const count = new CountBreaker(SAMPLES)
    const breaker: IBreaker = {
      state: undefined,
      success: state => count.success(state),
      failure: state => count.failure(state) || this.#isForced,
    }
    this.#policy = circuitBreaker(
      handleWhenResult(answer => isOutage(answer as HttpAnswer) || isRefusedCredentials(answer as HttpAnswer)),
      { breaker, halfOpenAfter: options.minOpenMs, halfOpenSampling: PROBES },
    )
    this.#policy.onStateChange(state => options.onState(toState(state)))
  }

  get state(): BreakerState {
    return toState(this.#policy.state)
  }

  /** Undefined: it is open, or `exchange` thought better of it; nothing was called. */
  async run(gift: string, exchange: () => Promise<HttpAnswer | undefined>): Promise<HttpAnswer | undefined> {
    try {
      return await this.#policy.execute(async () => this.#sample(gift, await exchange()))
    } catch (error) {
      if (error instanceof NoSample) return error.answer
      if (error instanceof BrokenCircuitError) return undefined
      throw error
    }
  }

  /** Was the last sample refused credentials? */
  get isForced(): boolean {
    return this.#isForced
  }

  /** Opens it for what another instance has seen. */
  async trip(): Promise<void> {
    this.#isForced = true
    await this.#policy.execute(async () => REFUSED).catch(() => undefined)
  }

  #sample(gift: string, answer: HttpAnswer | undefined): HttpAnswer {
    if (answer === undefined) throw new NoSample(answer)
    this.#isForced = isRefusedCredentials(answer)
    if (this.#isForced) return answer
    if (isGivenUp(answer)) throw new NoSample(answer)
    if (!isOutage(answer)) this.#failedGifts.clear()
    else if (this.#failedGifts.has(gift) && this.#policy.state === CircuitState.Closed) throw new NoSample(answer)
    else this.#failedGifts.add(gift)
    return answer
  }
}

/** By us: the process stops. */
function isGivenUp(answer: HttpAnswer): boolean {
  return answer.kind === 'no-reply' && (answer.error as { code?: unknown }).code === 'ABORTED'
}

function toState(state: CircuitState): BreakerState {
  if (state === CircuitState.Closed) return 'closed'
  return state === CircuitState.HalfOpen ? 'half-open' : 'open'
}
