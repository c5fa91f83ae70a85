import type { BatchHandler } from '#kafka/topic-consumer.ts'
import { type RetryListenerDeps, retryBatchHandler } from './retry-listener.ts'

/** The planning documents' `CampaignVoucherPromotionRetryListener`. */
export const campaignVoucherPromotionRetryListener = (deps: RetryListenerDeps): BatchHandler =>
  retryBatchHandler('VOUCHER', 'voucherTargetId', deps)
