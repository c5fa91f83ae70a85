import type { BatchHandler } from '#kafka/topic-consumer.ts'
import { type GiftListenerDeps, giftBatchHandler } from './gift-listener.ts'

/** The planning documents' `CampaignVoucherPromotionListener`. */
export const campaignVoucherPromotionListener = (deps: GiftListenerDeps): BatchHandler =>
  giftBatchHandler('VOUCHER', deps)
