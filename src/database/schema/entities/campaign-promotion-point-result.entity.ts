import { defineEntity, p } from '@mikro-orm/core'
import { giftResultProperties } from './gift-result.properties.ts'

const schema = defineEntity({
  name: 'CampaignPromotionPointResult',
  tableName: 'campaign_promotion_point_result',
  properties: { ...giftResultProperties, pointTargetId: p.bigint('string').unique() },
})

export class CampaignPromotionPointResultEntity extends schema.class {}
schema.setClass(CampaignPromotionPointResultEntity)
