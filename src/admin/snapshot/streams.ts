import type { PromotionProgress } from '#database/promotions/progress.ts'
import { type PromotionQueueDeps, promotionQueue } from '#promotion/promotion-queue.ts'

/** Where a promotion's unfinished gifts are. */
export interface StreamCount {
  /** Handed to a worker and not acknowledged. */
  pending: number
  /**
   * How long the oldest of them was seen there, in ms: 0 at the first sight, and leased at least as long as this. Not its
   * age: in a big backlog an entry may wait for hours before it is handed to anyone.
   */
  oldestLeasedMs: number
}

interface Seen extends StreamCount {
  oldestId: string | undefined
  /** When it was first seen as the oldest one in flight. */
  seenAtMs: number
  readAtMs: number
}

export interface StreamCounter {
  /** Entries in flight, as far as known: at most {@link MAX_READ} streams are asked at a time, the longest unasked first. */
  read(promotions: readonly PromotionProgress[]): Promise<ReadonlyMap<string, StreamCount>>
}

/** A bound on what one look costs Redis, however many promotions run. */
export const MAX_READ = 6

/** No promotion has this id. */
const NOBODY = { id: '0', type: 'VOUCHER' } as const

export function createStreamCounter(deps: PromotionQueueDeps): StreamCounter {
  const known = new Map<string, Seen>()
  const readOne = async ({ id, type }: PromotionProgress) => {
    const { count: pending, oldestId } = await promotionQueue({ id, type }, deps).pendingSummary()
    const readAtMs = performance.now()
    const before = known.get(id)
    const seenAtMs = oldestId !== undefined && before?.oldestId === oldestId ? before.seenAtMs : readAtMs
    known.set(id, { pending, oldestLeasedMs: readAtMs - seenAtMs, oldestId, seenAtMs, readAtMs })
  }
  return {
    read: async promotions => {
      const busy = promotions.filter(
        ({ status, gifts }) => status !== 'COMPLETED' && status !== 'READY' && gifts.PENDING > 0,
      )
      const busyIds = new Set(busy.map(({ id }) => id))
      for (const id of known.keys()) if (!busyIds.has(id)) known.delete(id)
      const oldest = busy.toSorted(({ id: one }, { id: other }) => readAt(known, one) - readAt(known, other))
      // With nothing to ask it is asked whether it answers: new gifts want it.
      if (oldest.length === 0) await promotionQueue(NOBODY, deps).pendingSummary()
      await Promise.all(oldest.slice(0, MAX_READ).map(readOne))
      return known
    },
  }
}

const readAt = (known: ReadonlyMap<string, Seen>, id: string) => known.get(id)?.readAtMs ?? 0
