import { z } from 'zod'

/** The greatest id, amount or offset: what PostgreSQL's bigint holds. */
export const LARGEST_INTEGER = 2n ** 63n - 1n

/** Digits of a whole number from 0 to 2^63-1, without leading zeros, exact. */
export function isExactInteger(digits: string): boolean {
  return /^(0|[1-9]\d{0,18})$/.test(digits) && (digits.length < 19 || BigInt(digits) <= LARGEST_INTEGER)
}

/** The same from 1: an id, or an amount in minor units. */
export function isExactId(digits: string): boolean {
  return digits !== '0' && isExactInteger(digits)
}

/**
 * A 64-bit id or an amount in minor units, 1 … 2^63-1, as a string of digits: it never passes through a JavaScript
 * number. Takes what an exact JSON parser makes of a JSON integer (`JSON.rawJSON`), or a string of digits.
 */
export const exactInteger = z.unknown().transform((value, context): string => {
  const digits = typeof value === 'string' ? value : sourceOf(value)
  if (digits !== undefined && isExactId(digits)) return digits
  context.addIssue({ code: 'custom', message: 'must be an integer from 1 to 2^63-1' })
  return z.NEVER
})

const { isRawJSON } = JSON as unknown as { isRawJSON(value: unknown): value is { rawJSON: string } }

/**
 * The text of a number as an exact JSON parser returns it (`JSON.rawJSON`); undefined for anything else, an object of a
 * message that only looks like one included. Never throws.
 */
export function sourceOf(value: unknown): string | undefined {
  return isRawJSON(value) ? value.rawJSON : undefined
}
