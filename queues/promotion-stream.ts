import { byGiftType, GIFT_TYPES, type PromotionType } from './gift-types.ts'

/** Fields of an entry: where it came from and the message exactly as Kafka had it. It only points at a row. */
export interface PromotionEntry extends Record<string, string> {
  key: string
  message: string
}

/** Stands beside them only while gifts are traced: the W3C trace context of the intake. */
export const TRACE_FIELD = 'traceparent'

export interface PromotionStream {
  /** Redis key of one promotion's stream. */
  streamKey(promotionId: string): string
  /** Its consumer group. */
  groupName(promotionId: string): string
}

export type PromotionStreams = Readonly<Record<PromotionType, PromotionStream>>

/** The streams of an installation, by what they give. @param keyPrefix stands before every key, so that two can share a Redis. */
export function promotionStreams(keyPrefix: string): PromotionStreams {
  return byGiftType(type => {
    const { streamKey, groupName } = GIFT_TYPES[type]
    return { streamKey: promotionId => keyPrefix + streamKey(promotionId), groupName }
  })
}
