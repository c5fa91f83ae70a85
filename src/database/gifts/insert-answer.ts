import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'

/** What holds for every gift, whatever its promotion. */
export interface InsertLimits {
  /** In minor units; 0 = none. */
  maxAmount: bigint
}

export const NO_LIMITS: InsertLimits = { maxAmount: 0n }

/** What an insert says of one gift. */
export interface InsertAnswer {
  /** Of its promotion; null when there is none. */
  status: PromotionStatus | null
  type: PromotionType | null
  /** Its target was inserted: by it, or by another gift of the batch. */
  inserted: boolean
  enqueued: boolean | null
  over: 'over-limit' | 'over-budget' | null
}
