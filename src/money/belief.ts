import { pause } from '#runtime/pause.ts'
import { singleFlight } from '#runtime/single-flight.ts'
import { type HttpAnswer, type HttpMethod, isCharge, isClear } from './charge.ts'
import type { HttpCall } from './http.ts'

export interface BeliefOptions {
  /** One GET of a key, outside the breaker. Undefined: it could not be made. */
  ask(key: string): Promise<HttpAnswer | undefined>
  /** A key that the database knows as SUCCESS, for a process that has paid nothing itself yet. */
  findPaid?: (() => Promise<string | undefined>) | undefined
  /** Has any gift ever been paid? */
  hasPaid?: (() => Promise<boolean>) | undefined
  now?: () => number
}

/**
 * How sure a 404 has to be.
 * - `given`: the Money API itself has just refused this gift (400, 422).
 * - `young`: a precaution before a POST that would be made without it; where nothing was ever paid, so that no answer can
 *   vouch for it, that POST finds out whose word it is.
 * - `heard`: a clear answer was heard while the 404 was on its way, or later.
 * - `since`: the answer to a call that was sent after the 404's; what is written for it is final.
 */
export type Surety = 'given' | 'young' | 'heard' | 'since'

/** What the GET of a paid key said; `no-key`: there is none to ask about. */
export type PaidKeyWord = 'paid' | 'missing' | 'nothing' | 'no-key'

/** Without any key to ask about, a clear answer this old still counts, in ms. */
const RECENT_MS = 10_000
/** How long a 404 waits for another call's answer when there is no key to ask about, in ms. */
const PATIENCE_MS = 250
/** Other gifts' POSTs that were answered 404 within this time make a route's absence likely, in ms. */
const ROUTE_MS = 1000
/** Pause before the database is asked again for a key that it did not have, in ms. */
const FIND_PAUSE_MS = 5000

/**
 * Whose word is a 404: the Money API's, or a gateway's «no such route»? It is believed beside a clear answer of the Money
 * API; where none is at hand, a key that was paid is asked about, one question for all who wait.
 */
export class Belief {
  readonly #options: BeliefOptions
  readonly #now: () => number
  #clearSentAtMs = Number.NEGATIVE_INFINITY
  #clearHeardAtMs = Number.NEGATIVE_INFINITY
  #clearPostSentAtMs = Number.NEGATIVE_INFINITY
  readonly #missedPosts = new Map<string, { sentAtMs: number; heardAtMs: number }>()
  #paidKey: string | undefined
  #findDueAtMs = Number.NEGATIVE_INFINITY
  readonly #confirmOnce = singleFlight(() => this.#ask())
  #askingNext: Promise<PaidKeyWord> | undefined

  constructor(options: BeliefOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** A key that is known to be paid, as far as this process has heard. */
  get paidKey(): string | undefined {
    return this.#paidKey
  }

  /** Has a clear answer come to a call that was sent at this time or later? */
  isClearSince(sentAtMs: number): boolean {
    return this.#clearSentAtMs >= sentAtMs
  }

  note(gift: string, { method }: Pick<HttpCall, 'method'>, answer: HttpAnswer, sentAtMs: number): void {
    const heardAtMs = this.#now()
    if (isCharge(method, answer)) this.#paidKey = gift
    if (isClear(method, answer)) this.#noteClear(method, sentAtMs)
    else if (method === 'POST' && answer.kind === 'reply' && answer.status === 404) {
      this.#forgetMissed(heardAtMs)
      this.#missedPosts.set(gift, { sentAtMs, heardAtMs })
    }
  }

  #noteClear(method: HttpMethod, sentAtMs: number): void {
    this.#clearSentAtMs = Math.max(this.#clearSentAtMs, sentAtMs)
    this.#clearHeardAtMs = this.#now()
    if (method === 'POST') this.#clearPostSentAtMs = Math.max(this.#clearPostSentAtMs, sentAtMs)
  }

  /** Is the 404 to the GET of this gift's key, sent at that time, the Money API's own? */
  async believes(gift: string, surety: Surety, sentAtMs: number): Promise<boolean> {
    if (surety === 'given') return true
    if (surety === 'since' && this.#isRouteMissing(gift)) return false
    const isHeard = () => this.isClearSince(sentAtMs) || (surety !== 'since' && this.#clearHeardAtMs >= sentAtMs)
    if (isHeard()) return true
    if (this.#paidKey === undefined && this.#clearHeardAtMs < this.#now() - RECENT_MS) await pause(PATIENCE_MS)
    if (isHeard()) return true
    const word = await this.confirm()
    if (isHeard() || word === 'paid') return true
    if (word !== 'no-key') return false
    return this.#clearHeardAtMs >= sentAtMs - RECENT_MS || (surety === 'young' && (await this.#isCold()))
  }

  /** Does the GET of a paid key say so? Sent after this call, once for all who ask meanwhile. */
  confirm(): Promise<PaidKeyWord> {
    const asking = this.#confirmOnce.inFlight()
    if (asking === undefined) return this.#confirmOnce()
    // The one on its way may have been answered before.
    this.#askingNext ??= asking.then(() => {
      this.#askingNext = undefined
      return this.confirm()
    })
    return this.#askingNext
  }

  async #ask(): Promise<PaidKeyWord> {
    const key = this.#paidKey ?? (await this.#find())
    if (key === undefined) return 'no-key'
    const sentAtMs = this.#now()
    const answer = await this.#options.ask(key)
    if (answer === undefined) return 'nothing'
    this.note(key, { method: 'GET' }, answer, sentAtMs)
    if (isCharge('GET', answer)) return 'paid'
    return answer.kind === 'reply' && answer.status === 404 ? 'missing' : 'nothing'
  }

  /** No clear answer was ever heard here, and none is on record anywhere: there is nothing to believe beside. */
  async #isCold(): Promise<boolean> {
    if (this.#paidKey !== undefined || this.#clearHeardAtMs !== Number.NEGATIVE_INFINITY) return false
    return (
      this.#options.hasPaid?.().then(
        hasPaid => !hasPaid,
        () => false,
      ) ?? false
    )
  }

  async #find(): Promise<string | undefined> {
    if (this.#now() < this.#findDueAtMs) return undefined
    this.#findDueAtMs = this.#now() + FIND_PAUSE_MS
    this.#paidKey ??= await this.#options.findPaid?.().catch(() => undefined)
    return this.#paidKey
  }

  /** GETs are answered, and the POSTs of other gifts, too, find no route. */
  #isRouteMissing(gift: string): boolean {
    this.#forgetMissed(this.#now())
    for (const [other, { sentAtMs }] of this.#missedPosts)
      if (other !== gift && sentAtMs > this.#clearPostSentAtMs) return true
    return false
  }

  #forgetMissed(nowMs: number): void {
    for (const [gift, { heardAtMs }] of this.#missedPosts) {
      if (heardAtMs > nowMs - ROUTE_MS) break
      this.#missedPosts.delete(gift)
    }
  }
}
