import type { Kysely } from 'kysely'
import type { GiftRecord } from '#database/gifts/gift-pages.ts'
import { listGiftsOf } from '#database/gifts/gift-places.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { targetIdOf } from '#promotion/intake/gift-message.ts'
import type { PromotionStreams } from '#queues/promotion-stream.ts'
import type { StreamConnection } from '#stream/index.ts'

type RawPending = [id: string, consumer: string, idleMs: number, deliveries: number]
type RawEntry = [id: string, fields: string[]]

/** Entries between the first and the last pending one that are looked at. */
const MAX_ENTRIES = 500

/** Gifts in workers' hands: what the stream's group has pending, the oldest first. Two commands. */
export async function listActiveGifts(
  { id, type }: Pick<Promotion, 'id' | 'type'>,
  limit: number,
  { kysely, connection, streams }: { kysely: Kysely<unknown>; connection: StreamConnection; streams: PromotionStreams },
): Promise<GiftRecord[]> {
  const stream = streams[type]
  const key = stream.streamKey(id)
  const pending = (await connection.client
    .xpending(key, stream.groupName(id), '-', '+', limit)
    .catch(() => [])) as RawPending[]
  const [first, last] = [pending[0], pending.at(-1)]
  if (first === undefined || last === undefined) return []
  const leased = new Set(pending.map(([entryId]) => entryId))
  const entries = (await connection.client.xrange(key, first[0], last[0], 'COUNT', MAX_ENTRIES)) as RawEntry[]
  const targetIds = entries.flatMap(([entryId, fields]) => {
    const targetId = leased.has(entryId) ? targetIdOf(type, fields[fields.indexOf('message') + 1] ?? '') : undefined
    return targetId === undefined ? [] : [targetId]
  })
  return targetIds.length === 0 ? [] : listGiftsOf(kysely, type, targetIds)
}
