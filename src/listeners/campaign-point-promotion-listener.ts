import type { BatchHandler } from '#kafka/topic-consumer.ts'
import { type GiftListenerDeps, giftBatchHandler } from './gift-listener.ts'

/** The planning documents' `CampaignPointPromotionListener`. */
export const campaignPointPromotionListener = (deps: GiftListenerDeps): BatchHandler => giftBatchHandler('POINT', deps)
