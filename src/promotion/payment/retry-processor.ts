import type { GiftRow } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import { isKeyOld } from '#money/charge.ts'
import type { ChargeOutcome, MoneyCampaignChargeApi } from '#money/charge-api.ts'
import { toChargeRequest } from '#money/charge-request-mapper.ts'
import type { CampaignPromotionStatusCacheService } from '#promotion/consumers/status-cache.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { ProcessorSettings } from './processing.ts'
import type { CampaignPromotionResultUpdateService } from './result-update.ts'

/**
 * What one more attempt came to. `later` wants another one, not before `retryAfterMs`; `not-now` was no attempt at all,
 * and `not-running` none either: nothing is to be tried until the promotion goes on. `exhausted` is UNKNOWN in the row,
 * and a person's.
 */
export type RetryOutcome =
  | { kind: 'done' }
  | { kind: 'later'; reason: string; retryAfterMs?: number | undefined }
  | { kind: 'not-now'; reason: string }
  | { kind: 'not-running'; promotionId: string }
  | { kind: 'exhausted'; reason: string }

export interface RetryProcessorDeps {
  results: GiftResultRepositories
  resultUpdateService: CampaignPromotionResultUpdateService
  promotionStatusCacheService: CampaignPromotionStatusCacheService
  moneyCampaignChargeApi: MoneyCampaignChargeApi
  logger: Logger
  settings: Pick<ProcessorSettings, 'maxAttempts' | 'keyTtlMs'>
}

/**
 * The planning documents' `AbstractCampaignPromotionRetryProcessor`: one more attempt with the same key, from what the
 * row says.
 */
export abstract class AbstractCampaignPromotionRetryProcessor {
  readonly #deps: RetryProcessorDeps

  constructor(deps: RetryProcessorDeps) {
    this.#deps = deps
  }

  protected abstract readonly type: PromotionType

  getPromotionTypeEnum(): PromotionType {
    return this.type
  }

  /** Rejects for whatever may pass (database); the job must then be tried again without costing an attempt. */
  async process(targetId: string, signal?: AbortSignal): Promise<RetryOutcome> {
    const type = this.getPromotionTypeEnum()
    const row = await this.#deps.results[type].find(targetId)
    if (row === undefined) {
      this.#deps.logger.error({ type, targetId }, 'retry of a gift that has no row')
      return { kind: 'exhausted', reason: 'result-not-found' }
    }
    if (row.processStatus === 'SUCCESS' || row.processStatus === 'FAILED') return { kind: 'done' }
    if (!(await this.#mayTry(row))) return { kind: 'not-running', promotionId: row.promotionId }
    return this.#attempt(type, row, signal)
  }

  /** UNKNOWN gifts do not keep a promotion from completing; a person may settle one after it has completed. */
  async #mayTry({ promotionId }: GiftRow): Promise<boolean> {
    const status = await this.#deps.promotionStatusCacheService.status(promotionId)
    return status === 'IN_PROGRESS' || status === 'COMPLETED'
  }

  async #attempt(type: PromotionType, row: GiftRow, signal: AbortSignal | undefined): Promise<RetryOutcome> {
    const { resultUpdateService, moneyCampaignChargeApi, settings } = this.#deps
    const outcome = await moneyCampaignChargeApi.charge(toChargeRequest(type, row), {
      ...(signal === undefined ? {} : { signal }),
      lookFirst: row.askFirst || isKeyOld(row, settings.keyTtlMs),
      isYoung: !isKeyOld(row, settings.keyTtlMs),
      isFirst: row.attempts === 0,
      isLast: row.attempts + 1 >= settings.maxAttempts,
      mayCall: () => this.#mayTry(row),
    })
    switch (outcome.kind) {
      case 'charged':
        await resultUpdateService.updateSuccess(type, row, outcome.transactionKey, outcome.posts)
        return { kind: 'done' }
      case 'failed': {
        const { code, message, posts } = outcome
        await resultUpdateService.updateError(type, row, { status: 'FAILED', code, message, posts })
        return { kind: 'done' }
      }
      case 'unsettled':
        return this.#handleFailure(type, row, outcome)
      case 'unauthorized':
        return { kind: 'not-now', reason: `Money API refuses our credentials (${outcome.code})` }
      case 'held':
        return { kind: 'not-now', reason: outcome.reason }
      case 'aborted':
        return { kind: 'not-now', reason: 'stopping' }
    }
  }

  async #handleFailure(
    type: PromotionType,
    row: GiftRow,
    { code, message, posts, retryAfterMs, isOutage }: ChargeOutcome & { kind: 'unsettled' },
  ): Promise<RetryOutcome> {
    const isOver = row.attempts + posts >= this.#deps.settings.maxAttempts
    const isExhausted = isOver && !isOutage
    const status = isExhausted ? 'UNKNOWN' : 'RETRYING'
    await this.#deps.resultUpdateService.updateError(type, row, { status, code, message, posts })
    // The job's own count would end it: beyond its attempts it comes round without one.
    if (isOver && isOutage) return { kind: 'not-now', reason: code }
    return isExhausted ? { kind: 'exhausted', reason: code } : { kind: 'later', reason: code, retryAfterMs }
  }
}
