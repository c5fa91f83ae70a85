import { z } from 'zod'
import { exactInteger, sourceOf } from './exact-integer.ts'
import { PROMOTION_TYPES } from './gift-types.ts'

/** Spec, phase 5: `PromotionStartedMessage`. `totalCount` is a count, ≥ 0; the row's own wins where it is set. */
export const promotionStartedMessage = z.object({
  promotionId: exactInteger,
  totalCount: z.preprocess(value => {
    const source = sourceOf(value)
    return source === undefined ? value : Number(source)
  }, z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)),
  type: z.enum(PROMOTION_TYPES),
})

export type PromotionStartedMessage = z.infer<typeof promotionStartedMessage>
