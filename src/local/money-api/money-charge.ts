import { isExactId } from '#queues/exact-integer.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'

/** Body of a charge: all strings, in the order they are written. */
export interface Charge {
  type: string
  promotionId: string
  targetId: string
  memberId: string
  amount: string
}

const NUMBERS = ['promotionId', 'targetId', 'memberId', 'amount'] as const

/** The charge in a request body, or what is wrong with it. */
export function parseCharge(body: string): Charge | string {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return 'the body is not JSON'
  }
  if (typeof value !== 'object' || value === null) return 'the body is not an object'
  const fields = value as Record<string, unknown>
  if (!PROMOTION_TYPES.some(type => type === fields.type))
    return `type must be ${PROMOTION_TYPES.map(type => `"${type}"`).join(' or ')}`
  for (const name of NUMBERS)
    if (typeof fields[name] !== 'string' || !isExactId(fields[name]))
      return `${name} must be a string of digits, 1 … 2^63-1`
  return fields as unknown as Charge
}

/** The key that the contract wants for a target. */
export function contractKey({ type, targetId }: Charge): string {
  return `${type}:${targetId}`
}

/** Tells two bodies apart: 53 bits over all fields (cyrb53). */
export function fingerprint({ type, promotionId, targetId, memberId, amount }: Charge): number {
  const text = `${type} ${promotionId} ${targetId} ${memberId} ${amount}`
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}
