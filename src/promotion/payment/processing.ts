import type { GiftResultRepositories } from '#database/gifts/results.ts'
import type { SkippedRepository } from '#database/gifts/skipped.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import type { MoneyCampaignChargeApi } from '#money/charge-api.ts'
import type { CampaignPromotionStatusCacheService } from '#promotion/consumers/status-cache.ts'
import type { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import type { PromotionMetrics } from '#promotion/metrics.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStreams } from '#queues/promotion-stream.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { CampaignPromotionResultUpdateService } from './result-update.ts'

/** What a message of the topic became; every consumed message becomes exactly one of these. */
export type TopicOutcome = 'inserted' | 'duplicate' | 'skipped' | 'invalid'

/**
 * What a stream entry came to. `done` may be acknowledged; `not-now` is nobody's fault and comes again; `dead` can
 * never be done and belongs on the dead-letter stream.
 */
export type StreamOutcome =
  | { kind: 'done' }
  | { kind: 'not-now'; reason: string; delayMs: number }
  | { kind: 'dead'; reason: string }

export interface ProcessorDeps {
  results: GiftResultRepositories
  skipped: SkippedRepository
  resultUpdateService: CampaignPromotionResultUpdateService
  promotionStatusCacheService: CampaignPromotionStatusCacheService
  eventProviderService: EventProviderService
  streamProducer: PromotionStreamProducer
  streams: PromotionStreams
  moneyCampaignChargeApi: MoneyCampaignChargeApi
  invalidMessages: InvalidMessageReporter
  metrics: PromotionMetrics
  logger: Logger
  settings: ProcessorSettings
}

export interface ProcessorSettings {
  /** The planning documents' toggle: true = enqueue, false = the listener pays by itself. */
  streamEnabled: boolean
  /** POSTs in all, the first included. */
  maxAttempts: number
  /** How long the Money API remembers a key, in ms. */
  keyTtlMs: number
  retryTopics: Readonly<Record<PromotionType, string>>
}

/**
 * Work on a gift stopped half-way, after its row was saved. The listener tries again from there: the insert is not
 * repeated, where it would only find its own row and take the gift for a duplicate.
 */
export class UnfinishedGiftError extends CodedError {
  /** Does what is left to do, and says what the message became; rejects like the first try. */
  readonly resume: () => Promise<TopicOutcome>

  constructor(resume: () => Promise<TopicOutcome>, cause: unknown) {
    super('UNFINISHED_GIFT', errorLine(cause), { cause, canRetry: true })
    this.resume = resume
  }
}
