import type { Promotion } from '#database/promotions/promotions.ts'
import { type OrphanDeps, requeueOrphans } from '#promotion/upkeep/orphans.ts'
import { refill } from '#promotion/upkeep/refill.ts'

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
