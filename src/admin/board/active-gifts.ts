import type { Kysely } from 'kysely'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { listGiftsOf } from '#database/gifts/gift-places.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { targetIdOf } from '#promotion/intake/gift-message.ts'
import { type PromotionQueueDeps, promotionQueue } from '#promotion/promotion-queue.ts'

/** Gifts whose entries are leased: what the stream's group has pending, the oldest first. Two commands. */
export async function listActiveGifts(
  promotion: Pick<Promotion, 'id' | 'type'>,
  limit: number,
  { kysely, ...deps }: PromotionQueueDeps & { kysely: Kysely<unknown> },
): Promise<GiftRecord[]> {
  const queue = promotionQueue(promotion, deps)
  const pending = await queue.pending({ limit }).catch(() => [])
  const entries = await queue.get(pending.map(({ id }) => id))
  const targetIds = entries.flatMap(({ data }) => targetIdOf(promotion.type, data?.message ?? '') ?? [])
  return targetIds.length === 0 ? [] : listGiftsOf(kysely, promotion.type, targetIds)
}
