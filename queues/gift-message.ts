import { z } from 'zod'

const MAX_ID = 2n ** 63n - 1n

/**
 * A 64-bit id or an amount in minor units, 1 … 2^63-1, as a string of digits: it never passes through a JavaScript
 * number. Takes what an exact JSON parser makes of a JSON integer (`{ rawJSON: digits }`), or a string of digits.
 */
export const exactInteger = z.unknown().transform((value, context): string => {
  const digits = typeof value === 'string' ? value : sourceOf(value)
  const isExact =
    digits !== undefined && /^[1-9]\d{0,18}$/.test(digits) && (digits.length < 19 || BigInt(digits) <= MAX_ID)
  if (isExact) return digits
  context.addIssue({ code: 'custom', message: 'must be an integer from 1 to 2^63-1' })
  return z.NEVER
})

/** The text of a number as an exact JSON parser hands it over (`{ rawJSON: text }`); undefined for anything else. Never throws. */
export function sourceOf(value: unknown): string | undefined {
  const source = typeof value === 'object' && value !== null ? (value as { rawJSON?: unknown }).rawJSON : undefined
  return typeof source === 'string' ? source : undefined
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
