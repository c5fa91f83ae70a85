import type { GiftRow } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import type { ChargeOutcome } from '#money/charge-api.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import { chargeGift, type GiftChargeDeps, isExhausted, reasonOf } from './gift-charge.ts'
import type { CampaignPromotionResultUpdateService } from './result-update.ts'
import type { CampaignPromotionStatusCacheService } from './status-cache.ts'

/**
 * What one more attempt came to. `later` wants another one, not before `retryAfterMs`; `not-now` was no attempt at all,
 * and `not-running` none either: nothing is to be tried until the promotion goes on. `exhausted` is UNKNOWN in the row,
 * and a person's.
 */
export type RetryOutcome =
  | { kind: 'done' }
  | { kind: 'later'; reason: string; retryAfterMs?: number | undefined }
  | { kind: 'not-now'; reason: string }
  | { kind: 'not-running' }
  | { kind: 'exhausted'; reason: string }

export interface RetryProcessorDeps extends GiftChargeDeps {
  results: GiftResultRepositories
  resultUpdateService: CampaignPromotionResultUpdateService
  promotionStatusCacheService: CampaignPromotionStatusCacheService
  logger: Logger
}

/** The planning documents' retry processor (docs/glossary.md): one more attempt with the same key, from what the row says. */
export abstract class AbstractCampaignPromotionRetryProcessor {
  readonly #type: PromotionType
  readonly #deps: RetryProcessorDeps

  constructor(type: PromotionType, deps: RetryProcessorDeps) {
    this.#type = type
    this.#deps = deps
  }

  getPromotionTypeEnum(): PromotionType {
    return this.#type
  }

  /** Rejects for whatever may pass (database); the job must then be tried again without costing an attempt. */
  async process(targetId: string, signal?: AbortSignal): Promise<RetryOutcome> {
    const type = this.#type
    const row = await this.#deps.results[type].find(targetId)
    if (row === undefined) {
      this.#deps.logger.error({ type, targetId }, 'retry of a gift that has no row')
      return { kind: 'exhausted', reason: 'result-not-found' }
    }
    if (row.processStatus === 'SUCCESS' || row.processStatus === 'FAILED') return { kind: 'done' }
    if (!(await this.#mayTry(row))) return { kind: 'not-running' }
    return this.#attempt(row, signal)
  }

  /** UNKNOWN gifts do not keep a promotion from completing; a person may settle one after it has completed. */
  async #mayTry({ promotionId }: GiftRow): Promise<boolean> {
    const status = await this.#deps.promotionStatusCacheService.status(promotionId)
    return status === 'IN_PROGRESS' || status === 'COMPLETED'
  }

  async #attempt(row: GiftRow, signal: AbortSignal | undefined): Promise<RetryOutcome> {
    const { resultUpdateService } = this.#deps
    const outcome = await chargeGift(this.#type, row, this.#deps, { signal, mayCall: () => this.#mayTry(row) })
    switch (outcome.kind) {
      case 'charged':
        await resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts)
        return { kind: 'done' }
      case 'failed': {
        const { code, message, posts } = outcome
        await resultUpdateService.updateError(this.#type, row, { status: 'FAILED', code, message, posts })
        return { kind: 'done' }
      }
      case 'unsettled':
        return this.#handleFailure(row, outcome)
      default:
        return { kind: 'not-now', reason: reasonOf(outcome) }
    }
  }

  async #handleFailure(row: GiftRow, error: ChargeOutcome & { kind: 'unsettled' }): Promise<RetryOutcome> {
    const { code, message, posts, retryAfterMs, isOutage } = error
    const { resultUpdateService, settings } = this.#deps
    const isOver = isExhausted(row, error, settings)
    const status = isOver ? 'UNKNOWN' : 'RETRYING'
    await resultUpdateService.updateError(this.#type, row, { status, code, message, posts })
    if (isOver) return { kind: 'exhausted', reason: code }
    // The job's own count would end it: beyond its attempts it comes round without one.
    if (isOutage && row.attempts + posts >= settings.maxAttempts) return { kind: 'not-now', reason: code }
    return { kind: 'later', reason: code, retryAfterMs }
  }
}
