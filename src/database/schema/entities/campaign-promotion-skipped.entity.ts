import { defineEntity, p } from '@mikro-orm/core'

const schema = defineEntity({
  name: 'CampaignPromotionSkipped',
  tableName: 'campaign_promotion_skipped',
  properties: {
    topic: p.text().primary(),
    partition: p.integer().primary(),
    offset: p.bigint('string').primary(),
    /** SHA-256 of the message, in hex: a topic that is made again uses its offsets anew. Written by a trigger. */
    contentHash: p.text().primary().default(''),
    promotionId: p.bigint('string'),
    targetId: p.bigint('string'),
    reason: p.text(),
    message: p.text(),
    createdAt: p.datetime().columnType('timestamptz').defaultRaw('now()'),
  },
})

/** A gift message that was refused for its promotion; kept so that every message is accounted for. */
export class CampaignPromotionSkippedEntity extends schema.class {}
schema.setClass(CampaignPromotionSkippedEntity)
