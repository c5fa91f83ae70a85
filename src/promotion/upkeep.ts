import type { Promotion, PromotionRepository } from '#database/promotions.ts'
import { withAdvisoryLock } from '#database/sweep-rows.ts'
import type { PromotionType } from '#queues/promotion-type.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import { announceCompleted, type CompletionDeps, completeIfDone } from './completion.ts'
import { reviveLostRetries } from './lost-retries.ts'
import { requeueOrphans } from './orphans.ts'
import type { RetryJobs } from './retry-jobs.ts'
import type { StreamHandlerParts } from './stream-manager.ts'

export interface UpkeepDeps extends CompletionDeps {
  promotions: PromotionRepository
  handlers: Readonly<Record<PromotionType, StreamHandlerParts>>
  retryJobs: Pick<RetryJobs, 'revive'>
  /** When a row left behind is put back, in ms. */
  sweepAgeMs: number
}

/** Both rounds exclude each other over all instances, each by a lock of its own. */
const COMPLETION_LOCK = 2
const SWEEP_LOCK = 3

/** Every few seconds, on one instance: promotions that are done are completed, and it is announced. */
export async function completionRound(deps: UpkeepDeps): Promise<void> {
  await withAdvisoryLock(deps.kysely, COMPLETION_LOCK, async () => {
    await forEachRunning(deps, promotion => completeIfDone(promotion, deps, false))
    await announceCompleted(deps)
  })
}

/** Every `SWEEP_INTERVAL_MS`, on one instance: what fell between two steps is found again, and said in the log. */
export async function sweepRound(deps: UpkeepDeps): Promise<void> {
  await withAdvisoryLock(deps.kysely, SWEEP_LOCK, () => forEachRunning(deps, promotion => sweepOne(promotion, deps)))
}

async function sweepOne(promotion: Promotion, deps: UpkeepDeps): Promise<void> {
  const { kysely, producer, handlers, retryJobs, sweepAgeMs, logger } = deps
  const { id: promotionId, type } = promotion
  const requeued = await requeueOrphans(promotion, { kysely, producer, ...handlers[type], ageMs: sweepAgeMs })
  if (requeued > 0) logger.warn({ promotionId, requeued }, 'rows without an entry were put back on the stream')
  const revived = await reviveLostRetries(promotion, { kysely, retryJobs, ageMs: sweepAgeMs })
  if (revived > 0) logger.warn({ promotionId, revived }, 'RETRYING rows without a live job got one again')
  await completeIfDone(promotion, deps, true)
}

/** One promotion that fails does not keep the others from theirs. */
async function forEachRunning(deps: UpkeepDeps, work: (promotion: Promotion) => Promise<void>): Promise<void> {
  for (const promotion of await deps.promotions.listActive()) {
    if (promotion.status !== 'IN_PROGRESS') continue
    try {
      await work(promotion)
    } catch (error) {
      deps.logger.warn({ err: toError(error), promotionId: promotion.id }, `upkeep failed: ${errorLine(error)}`)
    }
  }
}
