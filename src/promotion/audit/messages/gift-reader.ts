import { z } from 'zod'
import type { GiftFields } from '#promotion/audit/row-table.ts'
import { parseGift, parseMessage } from '#promotion/intake/gift-message.ts'
import { exactInteger } from '#queues/gift-message.ts'
import type { PromotionType } from '#queues/gift-types.ts'

/** A gift's message, as far as the audit compares it. */
export interface AuditedGift extends GiftFields {
  targetId: string
  promotionSummaryId: string
  partitionKey: string
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a gift's message as the listener does; undefined for one that cannot be a gift. */
export function readGift(type: PromotionType, message: string | Buffer | null): AuditedGift | undefined {
  const json = typeof message === 'string' ? message : textOf(message)
  if (json === undefined) return undefined
  const parsed = parseGift(type, json)
  return parsed.ok ? parsed.message : undefined
}

/** The promotion that a message names, though it may be no gift; undefined where it names none. */
export function promotionIdOf(message: Buffer | null): string | undefined {
  const json = textOf(message)
  const parsed = json === undefined ? undefined : parseMessage(z.object({ promotionId: exactInteger }), json)
  return parsed?.ok === true ? parsed.message.promotionId : undefined
}

/** The text of a record; undefined when it has none, or is not UTF-8. */
export function textOf(value: Buffer | null): string | undefined {
  if (value === null) return undefined
  try {
    return decoder.decode(value)
  } catch {
    return undefined
  }
}
