/** What a promotion gives. Stands in messages, rows, idempotency keys and, in lower case, in stream names. */
export const PROMOTION_TYPES = ['VOUCHER', 'POINT'] as const

export type PromotionType = (typeof PROMOTION_TYPES)[number]
