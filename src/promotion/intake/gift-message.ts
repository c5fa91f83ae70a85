import type { z } from 'zod'
import type { giftFields } from '#queues/gift-message.ts'
import { GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { errorLine } from '#runtime/errors.ts'
import { parseExact, rawNumber } from '#runtime/exact-json.ts'

/** A message that was read, or why it cannot be. */
export type ParsedMessage<Message> = { ok: true; message: Message } | { ok: false; reason: string }

/** Reads a JSON message exactly: no id passes through a JavaScript number. Never throws. */
export function parseMessage<Schema extends z.ZodType>(schema: Schema, json: string): ParsedMessage<z.infer<Schema>> {
  let value: unknown
  try {
    value = parseJson(json)
  } catch (error) {
    return { ok: false, reason: `not JSON: ${errorLine(error)}`.slice(0, 200) }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, reason: 'not a JSON object' }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { ok: true, message: parsed.data }
  const reasons = parsed.error.issues.map(issue => `${issue.path.join('.')} ${issue.message}`)
  return { ok: false, reason: reasons.join('; ') }
}

/** A gift's message, whatever its type calls its target. */
export type GiftMessage = z.infer<typeof giftFields> & { targetId: string }

/** Reads a gift's message by the rules of its type. Never throws. */
export function parseGift(type: PromotionType, json: string): ParsedMessage<GiftMessage> {
  const { message: schema, targetField } = GIFT_TYPES[type]
  const parsed = parseMessage<z.ZodType<z.infer<typeof giftFields> & Record<string, string>>>(schema, json)
  return parsed.ok ? { ok: true, message: { ...parsed.message, targetId: parsed.message[targetField] ?? '' } } : parsed
}

/** What identifies a gift in log lines. */
export function giftBindings(type: PromotionType, { promotionId, promotionSummaryId, targetId }: GiftMessage) {
  return { type, promotionId, promotionSummaryId, targetId }
}

/** Which target an entry's message speaks of; undefined when it cannot be read. */
export function targetIdOf(type: PromotionType, json: string): string | undefined {
  const parsed = parseGift(type, json)
  return parsed.ok ? parsed.message.targetId : undefined
}

/**
 * The plain parser reads everything that is legal; only a top level with numbers has to be read again, exactly. Nesting
 * deeper than the exact parser's stack is legal too: there an integer is exact where a JavaScript number is, and other
 * numbers stay numbers, which no schema of ours takes.
 */
function parseJson(json: string): unknown {
  const value = JSON.parse(json) as Record<string, unknown> | null
  if (typeof value !== 'object' || value === null || !Object.values(value).some(field => typeof field === 'number'))
    return value
  try {
    return parseExact(json)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  for (const [name, field] of Object.entries(value)) {
    if (typeof field === 'number' && Number.isSafeInteger(field)) value[name] = rawNumber(String(field))
  }
  return value
}

/** The original message plus fields of ours; ids stand as strings, unknown fields are kept. */
export function extendMessage(json: string, ids: Record<string, string>, extra: Record<string, unknown>): string {
  try {
    return JSON.stringify({ ...(parseExact(json) as object), ...ids, ...extra })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // Too deep to be written again: what we know of it goes on, the rest stays in the row's message.
    return JSON.stringify({ ...ids, ...extra })
  }
}
