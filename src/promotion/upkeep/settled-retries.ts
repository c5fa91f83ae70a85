import type { Kysely } from 'kysely'
import { finalTargets } from '#database/gifts/final-gifts.ts'
import type { GiftRef, RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'

export interface SettledRetriesDeps {
  kysely: Kysely<unknown>
  retryJobs: Pick<RetryJobs, 'listFailed' | 'remove'>
  /** Default: the rows' own word. */
  finalTargets?: typeof finalTargets
}

const PAGE_SIZE = 500
/** Of one round: the next one goes on where it ended. */
const MAX_PAGES = 10

/**
 * Removes failed jobs whose gift has become final since: by a check of UNKNOWN gifts, an operator, a late answer. Without
 * it they stay in Redis for good, and are red on the board although their gifts are paid. Jobs of gifts that are UNKNOWN
 * stay: a person may retry them.
 */
export class SettledRetries {
  readonly #deps: SettledRetriesDeps
  #rank = 0

  constructor(deps: SettledRetriesDeps) {
    this.#deps = deps
  }

  /** A bounded step. @returns how many were removed. */
  async round(hasTime: () => boolean): Promise<number> {
    let removed = 0
    for (let page = 0; page < MAX_PAGES && hasTime(); page++) {
      const failed = await this.#deps.retryJobs.listFailed(this.#rank, PAGE_SIZE)
      const gone = await this.#removeFinal(failed.filter(gift => gift !== undefined))
      removed += gone
      // What is removed moves the others up.
      this.#rank = failed.length < PAGE_SIZE ? 0 : this.#rank + failed.length - gone
      if (this.#rank === 0) break
    }
    return removed
  }

  async #removeFinal(gifts: readonly GiftRef[]): Promise<number> {
    const { kysely, retryJobs, finalTargets: find = finalTargets } = this.#deps
    let removed = 0
    for (const type of PROMOTION_TYPES) {
      const targetIds = gifts.filter(gift => gift.type === type).map(({ targetId }) => targetId)
      if (targetIds.length === 0) continue
      const settled = await find(kysely, type, targetIds)
      if (settled.size > 0) removed += await retryJobs.remove([...settled].map(targetId => ({ type, targetId })))
    }
    return removed
  }
}
