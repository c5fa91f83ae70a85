import { z } from 'zod'
import { exactInteger } from './exact-integer.ts'

/** A text that PostgreSQL and Redis take as it is. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

const partitionKey = z
  .string()
  .refine(value => value.isWellFormed(), 'must be well-formed Unicode')
  .refine(value => !value.includes('\0'), 'must not contain NUL')

/** What a voucher's and a point's message have in common; unknown fields are kept in the JSON, not here. */
export const giftFields = z.object({
  promotionId: exactInteger,
  promotionSummaryId: exactInteger,
  partitionKey,
  memberId: exactInteger,
  amount: exactInteger,
})
