import type { Kysely } from 'kysely'
import { countExpectedEntries, listLeftRows } from '#database/gifts/sweep-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { targetIdOf } from '#promotion/intake/gift-message.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import { refill } from './refill.ts'

export interface OrphanDeps {
  kysely: Kysely<unknown>
  producer: PromotionStreamProducer
  stream: PromotionStream
  /** A row younger than this may be on its way to the stream, in ms; 0 takes all, and gives those a second entry. */
  ageMs: number
  /** Without it (the process stops) no further page is begun. */
  hasTime?(): boolean
}

const PAGE_SIZE = 500

/**
 * Puts back rows that were meant for the stream and have no entry there any more: a crash between insert and XADD, a
 * wiped Redis. The search runs only when more rows are unfinished than the stream has entries; a backlog that merely
 * waits costs two counts. A row found wrongly gets a second entry, which is harmless.
 * @returns how many it put back.
 */
export async function requeueOrphans(promotion: Promotion, deps: OrphanDeps): Promise<number> {
  const { kysely, producer, stream, ageMs, hasTime = () => true } = deps
  const streamKey = stream.streamKey(promotion.id)
  if ((await countExpectedEntries(kysely, promotion)) <= (await producer.queue(streamKey).length())) return 0
  // A full stream is long, and nothing would fit: it is not walked through in vain in each round.
  if ((await producer.room(streamKey)) === 0) return 0
  const onStream = await targetsOnStream(promotion, deps)
  let requeued = 0
  for (let afterId = '0'; ; ) {
    const limit = Math.min(PAGE_SIZE, await producer.room(streamKey))
    if (limit === 0) return requeued
    const rows = await listLeftRows(kysely, promotion, { status: 'PENDING', ageMs, afterId, limit })
    const orphans = rows.filter(({ targetId }) => !onStream.has(targetId))
    if (orphans.length > 0) {
      const entries = orphans.map(({ partitionKey: key, message }) => ({ key, message }))
      const added = await producer.enqueueAll(streamKey, entries)
      requeued += added
      // The stream took a part only: what is left has to wait for the next round.
      if (added < entries.length) return requeued
    }
    if (rows.length < limit || !hasTime()) return requeued
    afterId = rows.at(-1)?.id ?? afterId
  }
}

/** Targets that have an entry, pending ones included. The stream is bounded, and so is this. */
async function targetsOnStream({ id, type }: Promotion, { producer, stream }: OrphanDeps): Promise<Set<string>> {
  const targets = new Set<string>()
  for await (const { message } of producer.queue(stream.streamKey(id)).entries()) {
    const targetId = targetIdOf(type, message)
    if (targetId !== undefined) targets.add(targetId)
  }
  return targets
}

/**
 * Everything that should be on the promotion's stream and is not, at once: rows whose entry was lost, however young, then
 * rows that never had one. Within the 80 % window; upkeep puts the rest there as the stream drains.
 */
export async function rebuildStream(
  promotion: Promotion,
  deps: Omit<OrphanDeps, 'ageMs'>,
): Promise<{ requeued: number; refilled: number }> {
  const requeued = await requeueOrphans(promotion, { ...deps, ageMs: 0 })
  const { moved } = await refill(promotion, deps.stream, deps, { maxRows: Number.POSITIVE_INFINITY })
  return { requeued, refilled: moved }
}
