import type { PaidKeyWord } from './belief.ts'
import { type HttpAnswer, sampleOf } from './charge.ts'

/** While the breaker is open, one GET in this long finds out whether the Money API answers again, in ms. */
export const PROBE_INTERVAL_MS = 1000
/** Longest pause when GETs are answered and POSTs still fail, in ms. */
const MAX_PROBE_INTERVAL_MS = 5000
/** A paid key was not known so often: a few POSTs find out. A Money API that was restored may have lost it. */
const MISSES_BEFORE_POSTS = 5

export interface OutageProbeParts {
  askPaid(): Promise<PaidKeyWord>
  /** The GET of the last gift's key. Undefined: it was not made. */
  askLast(): Promise<HttpAnswer | undefined>
  /** A few POSTs may find out whether it is over. */
  onBack(): void
}

/** Finds out, by GETs that harm no gift, when the POSTs may be tried again. */
export class OutageProbe {
  readonly #parts: OutageProbeParts
  #relapses = 0
  #misses = 0
  #isStopped = false
  #timer: NodeJS.Timeout | undefined

  constructor(parts: OutageProbeParts) {
    this.#parts = parts
  }

  /** The breaker has opened: for the first time, or because the POSTs failed again. */
  opened(): void {
    this.#schedule()
    this.#relapses += 1
  }

  closed(): void {
    this.#relapses = 0
    this.#misses = 0
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#isStopped) return
    const pauseMs = Math.min(PROBE_INTERVAL_MS * 2 ** this.#relapses, MAX_PROBE_INTERVAL_MS)
    clearTimeout(this.#timer)
    // Instances that saw it go down together do not ask together.
    this.#timer = setTimeout(() => void this.#look(), pauseMs * (1 + Math.random() / 5))
  }

  async #look(): Promise<void> {
    if (await this.#isBack()) this.#parts.onBack()
    else this.#schedule()
  }

  async #isBack(): Promise<boolean> {
    const word = await this.#parts.askPaid()
    if (word === 'paid') return true
    if (word === 'nothing') return false
    if (word === 'missing') return ++this.#misses % MISSES_BEFORE_POSTS === 0
    // No paid key is known: what this one's 404 means only the POSTs tell.
    const answer = await this.#parts.askLast()
    if (answer?.kind !== 'reply') return false
    return answer.status === 404 || sampleOf('GET', answer) !== 'unusable'
  }
}
