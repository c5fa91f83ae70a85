import type { z } from 'zod'
import { isExactId } from '#queues/exact-integer.ts'
import { giftFields, isStorable } from '#queues/gift-message.ts'
import { byGiftType, GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { errorLine } from '#runtime/errors.ts'
import { flatNumberSources, parseExact, rawNumber } from '#runtime/exact-json.ts'

/** A message that was read, or why it cannot be. */
export type ParsedMessage<Message> = { ok: true; message: Message } | { ok: false; reason: string }

/** Reads a JSON message exactly: no id passes through a JavaScript number. Never throws. */
export function parseMessage<Schema extends z.ZodType>(schema: Schema, json: string): ParsedMessage<z.infer<Schema>> {
  let value: unknown
  try {
    value = exactly(json, JSON.parse(json))
  } catch (error) {
    return notJson(error)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, reason: 'not a JSON object' }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { ok: true, message: parsed.data }
  const reasons = parsed.error.issues.map(issue => `${issue.path.join('.')} ${issue.message}`)
  return { ok: false, reason: reasons.join('; ') }
}

function notJson(error: unknown): ParsedMessage<never> {
  return { ok: false, reason: `not JSON: ${errorLine(error)}`.slice(0, 200) }
}

/** A gift's message, whatever its type calls its target. */
export type GiftMessage = z.infer<typeof giftFields> & { targetId: string }

/** Reads a gift's message by the rules of its type. Never throws. */
export function parseGift(type: PromotionType, json: string): ParsedMessage<GiftMessage> {
  const { message: schema, targetField } = GIFT_TYPES[type]
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    return notJson(error)
  }
  const plain = IS_PLAIN[type] ? plainGift(value, targetField, json) : undefined
  if (plain !== undefined) return { ok: true, message: plain }
  const parsed = parseMessage<z.ZodType<z.infer<typeof giftFields> & Record<string, string>>>(schema, json)
  return parsed.ok ? { ok: true, message: { ...parsed.message, targetId: parsed.message[targetField] ?? '' } } : parsed
}

/** Its schema asks for nothing beyond what all types have in common, and its target. */
const IS_PLAIN = byGiftType(
  type => Object.keys(GIFT_TYPES[type].message.shape).length === Object.keys(giftFields.shape).length + 1,
)

/** What nearly every message is, told without the schema, at a fraction of its cost. Undefined: the schema decides. */
function plainGift(value: unknown, targetField: string, json: string): GiftMessage | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Record<string, unknown>
  const { partitionKey } = fields
  if (typeof partitionKey !== 'string' || !isStorable(partitionKey)) return undefined
  let sources: Map<string, string> | undefined
  const idOf = (name: string): string | undefined => {
    let digits = fields[name]
    if (typeof digits === 'number') {
      sources ??= flatNumberSources(json)
      digits = sources?.get(name)
    }
    return typeof digits === 'string' && isExactId(digits) ? digits : undefined
  }
  const promotionId = idOf('promotionId')
  const promotionSummaryId = idOf('promotionSummaryId')
  const targetId = idOf(targetField)
  const memberId = idOf('memberId')
  const amount = idOf('amount')
  if (promotionId === undefined || promotionSummaryId === undefined) return undefined
  if (targetId === undefined || memberId === undefined || amount === undefined) return undefined
  return { promotionId, promotionSummaryId, targetId, partitionKey, memberId, amount }
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
function exactly(json: string, parsed: unknown): unknown {
  const value = parsed as Record<string, unknown> | null
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
