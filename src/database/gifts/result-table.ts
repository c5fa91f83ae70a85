import type { PromotionType } from '#queues/promotion-type.ts'

/** Where the gifts of one type stand. */
export interface ResultTable {
  type: PromotionType
  name: string
  targetColumn: string
}

export const RESULT_TABLES: Readonly<Record<PromotionType, ResultTable>> = {
  VOUCHER: { type: 'VOUCHER', name: 'campaign_promotion_voucher_result', targetColumn: 'voucher_target_id' },
  POINT: { type: 'POINT', name: 'campaign_promotion_point_result', targetColumn: 'point_target_id' },
}
