import type { GiftRow, TransitionOutcome } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import type { PromotionMetrics } from '#promotion/metrics.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'

/** Why a gift is not paid yet, or never will be. `posts` = POSTs sent since the row was read. */
export interface GiftError {
  status: 'RETRYING' | 'FAILED' | 'UNKNOWN'
  code: string
  message: string
  posts: number
}

/**
 * The planning documents' `CampaignPromotionResultUpdateService`: the only writer of a gift's state. A resolved promise
 * means committed, together with the summary counter.
 */
export class CampaignPromotionResultUpdateService {
  readonly #results: GiftResultRepositories
  readonly #metrics: PromotionMetrics
  readonly #logger: Logger
  readonly #onEnded: (promotionId: string, isFailed: boolean) => void

  constructor(deps: {
    results: GiftResultRepositories
    metrics: PromotionMetrics
    logger: Logger
    /** An attempt has brought a gift to its end (SUCCESS, FAILED, UNKNOWN), and it is committed. */
    onEnded?: (promotionId: string, isFailed: boolean) => void
  }) {
    this.#results = deps.results
    this.#metrics = deps.metrics
    this.#logger = deps.logger
    this.#onEnded = deps.onEnded ?? (() => undefined)
  }

  /** A 200 may overwrite PENDING, RETRYING and UNKNOWN; met by a final state it changes nothing. */
  async updateSuccess(
    type: PromotionType,
    row: Pick<GiftRow, 'targetId'> & { promotionId?: string },
    moneyKey: string,
    posts: number,
  ): Promise<void> {
    const { targetId, promotionId } = row
    const outcome = await this.#results[type].move({ targetId, to: 'SUCCESS', moneyKey, posts })
    if (outcome.changed) {
      this.#metrics.transitions.inc({ type, status: 'SUCCESS' })
      if (promotionId !== undefined) this.#onEnded(promotionId, false)
      return
    }
    if (isConflict(outcome, moneyKey)) {
      this.#metrics.moneyConflicts.inc({ type })
      this.#logger.error(
        { type, targetId, moneyKey, previousKey: outcome.previous },
        'money conflict: the Money API holds a charge that the row does not say',
      )
    }
  }

  /** @returns whether the row changed. One that did not must publish nothing. */
  async updateError(
    type: PromotionType,
    row: Pick<GiftRow, 'targetId' | 'promotionId'>,
    error: GiftError,
  ): Promise<boolean> {
    const { status, code, message, posts } = error
    const outcome = await this.#results[type].move({
      targetId: row.targetId,
      to: status,
      errorCode: code,
      errorMessage: message,
      posts,
    })
    if (outcome.changed) {
      this.#metrics.transitions.inc({ type, status })
      if (status !== 'RETRYING') this.#onEnded(row.promotionId, status === 'FAILED')
    }
    return outcome.changed
  }
}

function isConflict({ previous }: TransitionOutcome, moneyKey: string): boolean {
  return (
    previous?.processStatus === 'FAILED' || (previous?.processStatus === 'SUCCESS' && previous.moneyKey !== moneyKey)
  )
}
