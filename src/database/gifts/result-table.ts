import { byGiftType, GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'

/** Where the gifts of one type stand. */
export interface ResultTable {
  type: PromotionType
  name: string
  targetColumn: string
}

export const RESULT_TABLES: Readonly<Record<PromotionType, ResultTable>> = byGiftType(type => {
  const { resultTable: name, targetColumn } = GIFT_TYPES[type]
  return { type, name, targetColumn }
})
