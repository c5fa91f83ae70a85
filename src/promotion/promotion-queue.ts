import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionEntry, PromotionStreams } from '#queues/promotion-stream.ts'
import { type StreamConnection, StreamQueue } from '#stream/index.ts'

export interface PromotionQueueDeps {
  connection: StreamConnection
  streams: PromotionStreams
}

/** A promotion's entries as a queue, for whoever looks at them; it has no bound of its own, so nothing is added by it. */
export function promotionQueue(
  { id, type }: { id: string; type: PromotionType },
  { connection, streams }: PromotionQueueDeps,
): StreamQueue<PromotionEntry> {
  const { streamKey, groupName } = streams[type]
  return new StreamQueue<PromotionEntry>(streamKey(id), { connection, group: groupName(id), codec: 'flat' })
}
