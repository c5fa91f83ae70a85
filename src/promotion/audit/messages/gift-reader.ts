import { z } from 'zod'
import type { GiftFields } from '#promotion/audit/row-table.ts'
import { parseGift, parseMessage } from '#promotion/intake/gift-message.ts'
import { exactInteger } from '#queues/exact-integer.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { decodeUtf8 } from '#runtime/utf8.ts'

/** A gift's message, as far as the audit compares it. */
export interface AuditedGift extends GiftFields {
  targetId: string
  promotionSummaryId: string
  partitionKey: string
}

/** Reads a gift's message as the listener does; undefined for one that cannot be a gift. */
export function readGift(type: PromotionType, message: string | Buffer | null): AuditedGift | undefined {
  const json = typeof message === 'string' ? message : decodeUtf8(message)
  if (json === undefined) return undefined
  const parsed = parseGift(type, json)
  return parsed.ok ? parsed.message : undefined
}

/** The promotion that a message names, though it may be no gift; undefined where it names none. */
export function promotionIdOf(message: Buffer | null): string | undefined {
  const json = decodeUtf8(message)
  const parsed = json === undefined ? undefined : parseMessage(z.object({ promotionId: exactInteger }), json)
  return parsed?.ok === true ? parsed.message.promotionId : undefined
}
