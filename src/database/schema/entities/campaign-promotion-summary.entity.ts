import { defineEntity, p } from '@mikro-orm/core'

const schema = defineEntity({
  name: 'CampaignPromotionSummary',
  tableName: 'campaign_promotion_summary',
  properties: {
    id: p.bigint('string').primary(),
    promotionId: p.bigint('string'),
    successCount: p.bigint('string').default(0),
    failedCount: p.bigint('string').default(0),
  },
})

/** Counters that move once a gift, in the transaction that enters SUCCESS or FAILED. */
export class CampaignPromotionSummaryEntity extends schema.class {}
schema.setClass(CampaignPromotionSummaryEntity)
