import { pointMessage } from '#queues/point.queue.ts'
import type { PromotionType } from '#queues/promotion-type.ts'
import { voucherMessage } from '#queues/voucher.queue.ts'
import { parseMessage } from '../gift-message.ts'
import type { GiftFields } from './row-table.ts'

/** A gift's message, as far as the audit compares it. */
export interface AuditedGift extends GiftFields {
  targetId: string
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a gift's message as the listener does; undefined for one that cannot be a gift. */
export function readGift(type: PromotionType, message: string | Buffer | null): AuditedGift | undefined {
  const json = typeof message === 'string' ? message : decode(message)
  if (json === undefined) return undefined
  if (type === 'VOUCHER') {
    const parsed = parseMessage(voucherMessage, json)
    return parsed.ok ? { ...parsed.message, targetId: parsed.message.voucherTargetId } : undefined
  }
  const parsed = parseMessage(pointMessage, json)
  return parsed.ok ? { ...parsed.message, targetId: parsed.message.pointTargetId } : undefined
}

function decode(value: Buffer | null): string | undefined {
  if (value === null) return undefined
  try {
    return decoder.decode(value)
  } catch {
    return undefined
  }
}
