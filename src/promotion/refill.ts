import type { Kysely } from 'kysely'
import type { Promotion } from '#database/promotions.ts'
import { takeUnqueuedRows } from '#database/refill-rows.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import type { PromotionStreamProducer } from './stream-producer.ts'

const BATCH_SIZE = 500

/**
 * Puts rows that never had an entry on the promotion's stream, in row order, while it has room (DESIGN «The stream is
 * a window over the rows»). The one implementation, used by start, resume, rebuild and upkeep; any number may run.
 * @returns how many rows it moved.
 */
export async function refill(
  promotion: Pick<Promotion, 'id' | 'type'>,
  stream: PromotionStream,
  deps: { kysely: Kysely<unknown>; producer: PromotionStreamProducer },
): Promise<number> {
  const streamKey = stream.streamKey(promotion.id)
  let moved = 0
  for (;;) {
    const limit = Math.min(BATCH_SIZE, await deps.producer.room(streamKey))
    if (limit === 0) return moved
    const taken = await takeUnqueuedRows(deps.kysely, promotion, limit, rows =>
      deps.producer.enqueueAll(
        streamKey,
        rows.map(({ partitionKey: key, message }) => ({ key, message })),
      ),
    )
    moved += taken
    if (taken < limit) return moved
  }
}
