import type { PromotionType } from './promotion-type.ts'

/** Fields of an entry: where it came from and the message exactly as Kafka had it. It only points at a row. */
export interface PromotionEntry extends Record<string, string> {
  key: string
  message: string
}

export interface PromotionStream {
  type: PromotionType
  /** Redis key of one promotion's stream (planning documents: `PromotionType.streamKey(id)`). */
  streamKey(promotionId: string): string
  /** Its consumer group. */
  groupName(promotionId: string): string
}

/** @param keyPrefix stands before every key, so that two installations can share a Redis. */
export function promotionStream(type: PromotionType, keyPrefix = ''): PromotionStream {
  const kind = type.toLowerCase()
  return {
    type,
    streamKey: promotionId => `${keyPrefix}campaign-promotion-${promotionId}:${kind}:stream`,
    groupName: promotionId => `campaign-promotion-${promotionId}-${kind}-group`,
  }
}

export type PromotionStreams = Readonly<Record<PromotionType, PromotionStream>>

/** The streams of an installation, by what they give. */
export function promotionStreams(keyPrefix: string): PromotionStreams {
  return { VOUCHER: promotionStream('VOUCHER', keyPrefix), POINT: promotionStream('POINT', keyPrefix) }
}
