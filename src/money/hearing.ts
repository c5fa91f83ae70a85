import type { Logger } from '#runtime/logger.ts'
import type { Belief, Surety } from './belief.ts'
import { type HttpAnswer, isOwnFault, isRefusedCredentials } from './charge.ts'
import { FirstPosts } from './first-posts.ts'
import type { HttpCall, HttpPool } from './http.ts'

export interface HearingOptions {
  /** How sure a 404 to this GET has to be. Default `heard`. */
  surety?: Surety
  /** The first POST of its gift: many of these refused are our credentials' fault. */
  isFirst?: boolean
}

export interface HearingParts {
  http: Pick<HttpPool, 'exchange'>
  belief: Belief
  logger: Logger
  /** So many gifts were refused (401, 403) that it is not the gifts. */
  onFirstPostsRefused(answer: HttpAnswer): void
}

/** The same fault of our own is logged once in this time, in ms. */
const OWN_FAULT_LOG_MS = 60_000

/** Carries out an exchange, and judges whose word its answer is: the Money API's, a gateway's, or our own client's. */
export class Hearing {
  readonly #parts: HearingParts
  readonly #firstPosts = new FirstPosts()
  #ownFaultSaidAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: HearingParts) {
    this.#parts = parts
  }

  async exchange(gift: string, call: HttpCall, options: HearingOptions): Promise<HttpAnswer & { seconds: number }> {
    const sentAtMs = performance.now()
    const answer = await this.#parts.http.exchange(call)
    const seconds = (performance.now() - sentAtMs) / 1000
    this.#parts.belief.note(gift, call, answer, sentAtMs)
    if (answer.kind === 'no-reply') {
      if (isOwnFault(answer)) this.#sayOwnFault(answer.error)
      return { ...answer, seconds }
    }
    const isRefused = isRefusedCredentials(answer)
    if (options.isFirst && this.#firstPosts.add(isRefused)) this.#parts.onFirstPostsRefused(answer)
    if (call.method === 'POST') return { ...answer, seconds }
    const isDoubted =
      (answer.status === 404 && !(await this.#parts.belief.believes(gift, options.surety ?? 'heard', sentAtMs))) ||
      // Is it our credentials, or this gift? Another key's GET tells.
      (isRefused && (await this.#parts.belief.confirm()) === 'paid')
    return { ...answer, isDoubted, seconds }
  }

  #sayOwnFault(error: Error): void {
    if (performance.now() - this.#ownFaultSaidAtMs < OWN_FAULT_LOG_MS) return
    this.#ownFaultSaidAtMs = performance.now()
    this.#parts.logger.error({ err: error }, 'a call to the Money API could not be made: nothing was sent')
  }
}
