import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBreaker,
} from 'cockatiel'
import { type HttpAnswer, type HttpMethod, sampleOf } from './charge.ts'

/**
 * Opens when more than 80 % of the last 100 calls got no usable answer, 10 at least, each of another gift: a gift whose
 * call always fails is one sample, and a Money API that spoils 40 % of its answers goes on being called.
 */
const SAMPLES = { size: 100, minimumNumberOfCalls: 10, threshold: 0.8 }
/** So many gifts in a row without one usable answer open it too, whatever went before. */
const MAX_IN_VAIN = 20
/** Calls that find out whether it is back; most of them have to be answered. The others wait for their verdict. */
const PROBES = { calls: 3, threshold: 0.5 }

/** An exchange that says nothing about the Money API: no sample. */
class NoSample extends Error {
  readonly answer: HttpAnswer | undefined

  constructor(answer: HttpAnswer | undefined) {
    super('no sample')
    this.answer = answer
  }
}

/** What the breaker's policy hears of an exchange. */
interface Sampled {
  answer: HttpAnswer | undefined
  isGood: boolean
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/** An exchange's place: whose it is, and how it is asked. */
export interface Asked {
  gift: string
  method: HttpMethod
}

/**
 * A circuit breaker whose samples are exchanges with the Money API. What is no usable answer counts, whoever gave it
 * (5xx, silence, a gateway's page), and refused credentials, which open it at once. Once `minOpenMs` are over the next
 * calls are probes.
 */
export class MoneyBreaker {
  readonly #policy: CircuitBreakerPolicy
  readonly #count = new CountBreaker(SAMPLES)
  readonly #giftsInVain = new Set<string>()
  #isForced = false
  #mustOpen = false

  constructor(options: { minOpenMs: number; onState(state: BreakerState): void }) {
    const breaker: IBreaker = {
      state: undefined,
      success: state => this.#count.success(state),
      failure: state => this.#count.failure(state) || this.#mustOpen || this.#giftsInVain.size >= MAX_IN_VAIN,
    }
    this.#policy = circuitBreaker(
      handleWhenResult(sampled => !(sampled as Sampled).isGood),
      { breaker, halfOpenAfter: options.minOpenMs, halfOpenSampling: PROBES },
    )
    this.#policy.onStateChange(state => {
      // Its gifts are counted anew: of the probes, too, one gift that always fails is one sample.
      if (state === CircuitState.HalfOpen) this.#giftsInVain.clear()
      options.onState(toState(state))
    })
  }

  get state(): BreakerState {
    return toState(this.#policy.state)
  }

  /** Undefined: it is open, or `exchange` thought better of it; nothing was called. */
  run<Answer extends HttpAnswer>(
    asked: Asked,
    exchange: () => Promise<Answer | undefined>,
  ): Promise<Answer | undefined> {
    // The answer that it was given, whichever way it took.
    return this.#run(asked, exchange) as Promise<Answer | undefined>
  }

  async #run(asked: Asked, exchange: () => Promise<HttpAnswer | undefined>): Promise<HttpAnswer | undefined> {
    if (this.#policy.state === CircuitState.Closed) return this.#runClosed(asked, await exchange())
    try {
      return (await this.#policy.execute(async () => this.#sample(asked, await exchange()))).answer
    } catch (error) {
      if (error instanceof NoSample) return error.answer
      if (error instanceof BrokenCircuitError) return undefined
      throw error
    }
  }

  /** Closed, it lets each call through: only what may open it has to pass the policy, whose layers cost a call as much as the gate. */
  #runClosed(asked: Asked, answer: HttpAnswer | undefined): HttpAnswer | undefined | Promise<HttpAnswer | undefined> {
    try {
      const sampled = this.#sample(asked, answer)
      // Opened meanwhile by others: what was sent before says nothing of the probes.
      if (!sampled.isGood) return this.#policy.state === CircuitState.Closed ? this.#failClosed(sampled) : answer
      this.#count.success(CircuitState.Closed)
    } catch (error) {
      if (!(error instanceof NoSample)) throw error
    }
    return answer
  }

  async #failClosed(sampled: Sampled): Promise<HttpAnswer | undefined> {
    await this.#policy.execute(async () => sampled)
    return sampled.answer
  }

  /** Was the last sample refused credentials? */
  get isForced(): boolean {
    return this.#isForced
  }

  /** Opens it for refused credentials, here or at another instance. */
  async trip(): Promise<void> {
    this.#isForced = true
    await this.#open()
  }

  /** Opens it for an outage that its samples are too few to show. */
  async fail(): Promise<void> {
    this.#isForced = false
    await this.#open()
  }

  async #open(): Promise<void> {
    this.#mustOpen = true
    await this.#policy.execute(async () => ({ answer: undefined, isGood: false })).catch(() => undefined)
    this.#mustOpen = false
  }

  #sample({ gift, method }: Asked, answer: HttpAnswer | undefined): Sampled {
    if (answer === undefined) throw new NoSample(answer)
    const sample = sampleOf(method, answer)
    if (sample === 'none') throw new NoSample(answer)
    this.#isForced = sample === 'refused'
    this.#mustOpen = this.#isForced
    if (sample === 'usable') this.#giftsInVain.clear()
    else if (sample === 'unusable') {
      if (this.#giftsInVain.has(gift)) throw new NoSample(answer)
      this.#giftsInVain.add(gift)
    }
    return { answer, isGood: sample === 'usable' }
  }
}

function toState(state: CircuitState): BreakerState {
  if (state === CircuitState.Closed) return 'closed'
  return state === CircuitState.HalfOpen ? 'half-open' : 'open'
}
