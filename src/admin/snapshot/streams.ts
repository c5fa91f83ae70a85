import type { PromotionProgress } from '#database/progress.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import type { PromotionType } from '#queues/promotion-type.ts'
import type { StreamConnection } from '#stream/index.ts'
import { StreamQueue } from '#stream/index.ts'

/** Where a promotion's unfinished gifts are. */
export interface StreamCount {
  /** Handed to a worker and not acknowledged. */
  pending: number
  readAtMs: number
}

export interface StreamCounter {
  /** Entries in hands, as far as known: at most {@link MAX_READ} streams are asked at a time, the longest unasked first. */
  read(promotions: readonly PromotionProgress[]): Promise<ReadonlyMap<string, StreamCount>>
}

/** A bound on what one look costs Redis, however many promotions run. */
export const MAX_READ = 3

export function createStreamCounter(deps: {
  connection: StreamConnection
  streams: Readonly<Record<PromotionType, PromotionStream>>
}): StreamCounter {
  const known = new Map<string, StreamCount>()
  const readOne = async ({ id, type }: PromotionProgress) => {
    const stream = deps.streams[type]
    const queue = new StreamQueue(stream.streamKey(id), {
      connection: deps.connection,
      group: stream.groupName(id),
    })
    known.set(id, { pending: (await queue.counts()).pending, readAtMs: performance.now() })
  }
  return {
    read: async promotions => {
      const busy = promotions.filter(
        ({ status, gifts }) => status !== 'COMPLETED' && status !== 'READY' && gifts.PENDING > 0,
      )
      const busyIds = new Set(busy.map(({ id }) => id))
      for (const id of known.keys()) if (!busyIds.has(id)) known.delete(id)
      const oldest = busy.toSorted(({ id: one }, { id: other }) => readAt(known, one) - readAt(known, other))
      await Promise.all(oldest.slice(0, MAX_READ).map(readOne))
      return known
    },
  }
}

const readAt = (known: ReadonlyMap<string, StreamCount>, id: string) => known.get(id)?.readAtMs ?? 0
