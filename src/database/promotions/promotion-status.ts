/** A promotion's state; the row's `status` is the only truth about it. */
export const PROMOTION_STATUSES = ['READY', 'IN_PROGRESS', 'PAUSED', 'COMPLETED', 'STOPPED'] as const

export type PromotionStatus = (typeof PROMOTION_STATUSES)[number]

/** READY and PAUSED take gifts as rows, without entries. */
export const ACCEPTING_STATUSES = ['READY', 'IN_PROGRESS', 'PAUSED'] as const satisfies readonly PromotionStatus[]
