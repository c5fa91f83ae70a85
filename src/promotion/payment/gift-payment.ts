import type { GiftRow } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import type { ChargeOutcome } from '#money/charge-api.ts'
import { type GiftMessage, giftBindings, parseGift } from '#promotion/intake/gift-message.ts'
import { GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { deadLetter, type Outcome, retryLater } from '#stream/index.ts'
import { type AttemptSettings, chargeGift, type GiftChargeDeps, isExhausted, reasonOf } from './gift-charge.ts'
import type { CampaignPromotionResultUpdateService } from './result-update.ts'
import { publishRetryMessage } from './retry-message.ts'
import type { CampaignPromotionStatusCacheService } from './status-cache.ts'

export interface PaymentDeps extends GiftChargeDeps {
  results: GiftResultRepositories
  resultUpdateService: CampaignPromotionResultUpdateService
  promotionStatusCacheService: CampaignPromotionStatusCacheService
  eventProviderService: EventProviderService
  logger: Logger
  settings: PaymentSettings
}

export interface PaymentSettings extends AttemptSettings {
  retryTopics: Readonly<Record<PromotionType, string>>
}

/** How long an entry waits that must not be paid now: its promotion is paused, or the Money API is not to be called. */
const NOT_NOW_DELAY_MS = 1000

/** From a row that is PENDING to its first answer: paid, refused, or sent to be tried again. */
export class GiftPayment {
  readonly #type: PromotionType
  readonly #deps: PaymentDeps

  constructor(type: PromotionType, deps: PaymentDeps) {
    this.#type = type
    this.#deps = deps
  }

  /**
   * Pays what an entry points at. What is paid is what the row says. Undefined = settled: acknowledge the entry.
   * Rejects for whatever may pass (database, Kafka): the entry must then stay pending.
   */
  async payEntry(json: string, signal?: AbortSignal): Promise<Outcome | undefined> {
    const parsed = parseGift(this.#type, json)
    if (!parsed.ok) return deadLetter(`unreadable: ${parsed.reason}`)
    const gift = parsed.message
    const row = await this.#find(gift)
    if (row === undefined) {
      this.#log(gift).error('result not found: cannot process Money API')
      return deadLetter('result-not-found')
    }
    if (row.processStatus !== 'PENDING') {
      // Its first try may have ended between its commit and its retry message: a second one makes no second job.
      if (row.processStatus === 'RETRYING')
        await this.#publishRetry(json, row, { attempt: row.attempts, lastError: '' })
      this.#log(gift).debug({ status: row.processStatus }, 'skipped: already processed')
      return undefined
    }
    if (!(await this.#isRunning(row))) return notNow('promotion-not-in-progress')
    return this.execute(json, row, signal)
  }

  /** Pays a gift whose row has just been saved, where the listener does so by itself. Rejects when it is not settled yet. */
  async paySaved(gift: GiftMessage, json: string): Promise<void> {
    const row = await this.#find(gift)
    if (row === undefined) throw new CodedError('RESULT_NOT_FOUND', 'the row just saved is gone', { canRetry: true })
    if (row.processStatus !== 'PENDING') return
    // The batch may have gone round for long. The row stays PENDING, marked at its insert as meant for the stream: a start
    // or resume takes it for one whose entry was lost, and so does upkeep.
    if (!(await this.#isRunning(row))) return
    const outcome = await this.execute(json, row)
    if (outcome !== undefined) throw new CodedError('NOT_NOW', outcome.reason, { canRetry: true })
  }

  /**
   * Only the call itself can fail the gift. An error of `updateSuccess` propagates: the entry is not acknowledged, is
   * delivered again with the same key and gets the same answer.
   */
  async execute(json: string, row: GiftRow, signal?: AbortSignal): Promise<Outcome | undefined> {
    const { resultUpdateService } = this.#deps
    const outcome = await chargeGift(this.#type, row, this.#deps, { signal, mayCall: () => this.#isRunning(row) })
    switch (outcome.kind) {
      case 'charged':
        await resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts)
        return undefined
      case 'failed': {
        const { code, message, posts } = outcome
        await resultUpdateService.updateError(this.#type, row, { status: 'FAILED', code, message, posts })
        return undefined
      }
      case 'unsettled':
        await this.#handleFailure(json, row, outcome)
        return undefined
      default:
        return notNow(reasonOf(outcome))
    }
  }

  /** An entry whose deliveries killed their processes: nobody may put it back, a person has to look. */
  async markPoison(json: string, deliveries: number): Promise<void> {
    const parsed = parseGift(this.#type, json)
    if (!parsed.ok) return
    const message = `delivered ${deliveries} times, never finished`
    const error = { status: 'UNKNOWN', code: 'POISON', message, posts: 0 } as const
    await this.#deps.resultUpdateService.updateError(this.#type, parsed.message, error)
  }

  /** The row, then the retry topic; both before the entry is acknowledged. A row that did not move says nothing. */
  async #handleFailure(json: string, row: GiftRow, error: ChargeOutcome & { kind: 'unsettled' }): Promise<void> {
    const { code, message, posts, retryAfterMs } = error
    const { resultUpdateService, settings } = this.#deps
    const status = isExhausted(row, error, settings) ? 'UNKNOWN' : 'RETRYING'
    const changed = await resultUpdateService.updateError(this.#type, row, { status, code, message, posts })
    if (!changed || status === 'UNKNOWN') return
    const lastError = `${code}: ${message}`
    await this.#publishRetry(json, row, { attempt: row.attempts + posts, lastError, retryAfterMs })
  }

  #publishRetry(
    json: string,
    row: GiftRow,
    retry: { attempt: number; lastError: string; retryAfterMs?: number | undefined },
  ): Promise<void> {
    const { promotionId, promotionSummaryId, memberId, amount, targetId, partitionKey } = row
    const { targetField } = GIFT_TYPES[this.#type]
    const ids = { promotionId, promotionSummaryId, [targetField]: targetId, partitionKey, memberId, amount }
    const topic = this.#deps.settings.retryTopics[this.#type]
    return publishRetryMessage(this.#deps.eventProviderService, { topic, json, ids, ...retry })
  }

  #find({ targetId }: GiftMessage): Promise<GiftRow | undefined> {
    return this.#deps.results[this.#type].find(targetId)
  }

  #isRunning({ promotionId }: GiftRow): boolean | Promise<boolean> {
    return this.#deps.promotionStatusCacheService.isPromotionInProgress(promotionId)
  }

  #log(gift: GiftMessage): Logger {
    return this.#deps.logger.child(giftBindings(this.#type, gift))
  }
}

function notNow(reason: string): Outcome {
  return retryLater({ reason, delayMs: NOT_NOW_DELAY_MS })
}
