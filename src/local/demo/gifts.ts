import type { EventProviderService } from '#kafka/event-provider.ts'
import { GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'

/** One promotion of the demo and the gifts it is to give. Its target ids lie beyond 2^53, where a number would round. */
export interface DemoPromotion {
  id: string
  type: PromotionType
  topic: string
  gifts: number
  /** Target ids run from here. */
  firstTargetId: bigint
}

const CHUNK = 1000
const SUMMARIES = 4
const MEMBERS = 1_000_000
const CHUNKS_AT_ONCE = 4

/**
 * Publishes every gift, `acks=all`; resolves with how many Kafka acknowledged.
 * @param ready is waited for before each chunk, with how many were begun before it.
 * @param chunk gifts that are published at once.
 */
export async function publishGifts(
  events: EventProviderService,
  promotion: DemoPromotion,
  ready: (begun: number) => Promise<void> = async () => undefined,
  chunk = CHUNK,
): Promise<number> {
  let next = 0
  const publishChunks = async () => {
    while (next < promotion.gifts) {
      await ready(next)
      if (next >= promotion.gifts) return
      const from = next
      next = Math.min(promotion.gifts, from + chunk)
      const indexes = Array.from({ length: next - from }, (_, index) => from + index)
      await Promise.all(indexes.map(index => events.publish(toEvent(promotion, index))))
    }
  }
  await Promise.all(Array.from({ length: CHUNKS_AT_ONCE }, publishChunks))
  return promotion.gifts
}

function toEvent({ id, type, topic, firstTargetId }: DemoPromotion, index: number) {
  const memberId = ((index * 7919) % MEMBERS) + 1
  const { targetField } = GIFT_TYPES[type]
  const message = {
    promotionId: id,
    promotionSummaryId: String(BigInt(id) * 10n + BigInt(index % SUMMARIES)),
    [targetField]: String(firstTargetId + BigInt(index)),
    partitionKey: `member-${memberId}`,
    memberId: String(memberId),
    amount: String(100 + (index % 50) * 10),
  }
  return { topic, key: message.partitionKey, value: JSON.stringify(message) }
}
