import { defineEntity, p } from '@mikro-orm/core'
import { PROMOTION_STATUSES } from '#database/promotions/promotion-status.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'

const schema = defineEntity({
  name: 'CampaignPromotion',
  tableName: 'campaign_promotion',
  properties: {
    id: p.bigint('string').primary(),
    name: p.text().default(''),
    type: p.enum(PROMOTION_TYPES),
    status: p.enum(PROMOTION_STATUSES).default('READY'),
    totalCount: p.bigint('string').default(0),
    /** Ceilings, 0 = none: gifts, and the sum of their amounts. */
    maxGiftCount: p.bigint('string').default(0),
    maxTotalAmount: p.bigint('string').default(0),
    /** Where slots are shared by weight. */
    weight: p.integer().default(1),
    startedAt: p.datetime().columnType('timestamptz').nullable(),
    finishedAt: p.datetime().columnType('timestamptz').nullable(),
    /** Why it was paused, if not by a person. */
    pauseReason: p.text().nullable(),
    /** When the completed event was published; null while it has to be. */
    completedEventAt: p.datetime().columnType('timestamptz').nullable(),
    createdAt: p.datetime().columnType('timestamptz').defaultRaw('now()'),
  },
})

export class CampaignPromotionEntity extends schema.class {}
schema.setClass(CampaignPromotionEntity)
