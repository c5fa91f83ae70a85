import type { BatchHandler } from '#kafka/topic-consumer.ts'
import { type RetryListenerDeps, retryBatchHandler } from './retry-listener.ts'

/** The planning documents' `CampaignPointPromotionRetryListener`. */
export const campaignPointPromotionRetryListener = (deps: RetryListenerDeps): BatchHandler =>
  retryBatchHandler('POINT', 'pointTargetId', deps)
