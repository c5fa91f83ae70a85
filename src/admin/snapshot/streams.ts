import type { PromotionProgress } from '#database/progress.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import type { PromotionType } from '#queues/promotion-type.ts'
import type { StreamConnection } from '#stream/index.ts'

/** Where a promotion's unfinished gifts are. */
export interface StreamCount {
  /** Handed to a worker and not acknowledged. */
  pending: number
  /** When the oldest of them was added, ms since the epoch by Redis's clock; null when there is none. */
  oldestAddedAtMs: number | null
  readAtMs: number
}

export interface StreamCounter {
  /** Entries in hands, as far as known: at most {@link MAX_READ} streams are asked at a time, the longest unasked first. */
  read(promotions: readonly PromotionProgress[]): Promise<ReadonlyMap<string, StreamCount>>
}

/** A bound on what one look costs Redis, however many promotions run. */
export const MAX_READ = 6

export function createStreamCounter(deps: {
  connection: StreamConnection
  streams: Readonly<Record<PromotionType, PromotionStream>>
}): StreamCounter {
  const known = new Map<string, StreamCount>()
  const readOne = async ({ id, type }: PromotionProgress) => {
    const { streamKey, groupName } = deps.streams[type]
    const summary = (await deps.connection.client
      .xpending(streamKey(id), groupName(id))
      .catch(nothingPending)) as Summary
    const [pending, oldestId] = summary
    const oldestAddedAtMs = oldestId === null ? null : Number(oldestId.split('-')[0])
    known.set(id, { pending, oldestAddedAtMs, readAtMs: performance.now() })
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

type Summary = [pending: number, oldestId: string | null, ...unknown[]]

/** A stream that is not made yet has nobody who could hold anything. */
function nothingPending(error: Error): Summary {
  if (error.message.includes('NOGROUP')) return [0, null]
  throw error
}

const readAt = (known: ReadonlyMap<string, StreamCount>, id: string) => known.get(id)?.readAtMs ?? 0
