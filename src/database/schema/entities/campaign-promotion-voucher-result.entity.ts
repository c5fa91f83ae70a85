import { defineEntity, p } from '@mikro-orm/core'
import { giftResultProperties } from './gift-result.properties.ts'

const schema = defineEntity({
  name: 'CampaignPromotionVoucherResult',
  tableName: 'campaign_promotion_voucher_result',
  properties: { ...giftResultProperties, voucherTargetId: p.bigint('string').unique() },
})

export class CampaignPromotionVoucherResultEntity extends schema.class {}
schema.setClass(CampaignPromotionVoucherResultEntity)
