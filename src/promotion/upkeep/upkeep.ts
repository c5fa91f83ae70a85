import { setTimeout as sleep } from 'node:timers/promises'
import { withRoundLock } from '#database/locks.ts'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { UpkeepFind } from '#promotion/metrics.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { AnsweringStreams } from './answering-streams.ts'
import { checkDueUnknown, type UnknownRoundDeps } from './check-unknown.ts'
import { announceCompleted, type CompletionDeps, completeIfDone } from './completion.ts'
import { guarded } from './guarded.ts'
import type { OnLock } from './lock-watch.ts'
import { type ResumedRetries, reviveLostRetries } from './lost-retries.ts'
import { requeueOrphans } from './orphans.ts'
import type { SettledRetries } from './settled-retries.ts'

export interface UpkeepDeps extends CompletionDeps {
  promotions: PromotionRepository
  retryJobs: Pick<RetryJobs, 'revive'>
  unknown: UnknownRoundDeps
  /** Jobs that were dropped while a promotion did not run. */
  resumedRetries: Pick<ResumedRetries, 'round'>
  /** Failed jobs of gifts that became final. */
  settledRetries: Pick<SettledRetries, 'round'>
  /** Something orphaned was put back. */
  onFound?(what: UpkeepFind, count: number): void
  onLock?: OnLock
  /** When an orphaned row is put back, in ms. */
  sweepAgeMs: number
}

/** An entry may come late to an ended promotion's stream, from a process that hung: so long it is looked for. */
const ENDED_WATCH_MS = 24 * 3_600_000
/** Of 1,000 entries each, in one round. */
const MAX_TRIM_STEPS = 100
/** UNKNOWN gifts asked about in one turn, and the pause until the next: a bounded pace, over all instances. */
const CHECKS_PER_TURN = 50
const CHECK_TURN_MS = 1000
/** A round gives the lock back after this long. */
const CHECK_ROUND_MS = 60_000

/** False when the process stops: a round then ends after the step under way. */
type HasTime = () => boolean

/**
 * Every few seconds, on one instance: promotions that go on get their retry jobs back, those that are done are completed,
 * and it is announced; entries of STOPPED ones are removed.
 */
export async function completionRound(deps: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const isOurs = await withRoundLock(deps.kysely, 'completion', async () => {
    const complete = async (promotion: Promotion) => {
      await trimLeavings(promotion, deps)
      await completeIfDone(promotion, deps, false)
    }
    await guarded({}, deps.logger, () => deps.promotions.dateStarted())
    await guarded({}, deps.logger, () => deps.resumedRetries.round(hasTime))
    await guarded({}, deps.logger, () => forEachRunning(deps, hasTime, complete))
    await guarded({}, deps.logger, () => removeStoppedEntries(deps, hasTime))
    await announceCompleted(deps, hasTime)
  })
  deps.onLock?.('completion', isOurs)
}

/** Every `SWEEP_INTERVAL_MS`, on one instance: what fell between two steps is found again, and said in the log. */
export async function sweepRound(deps: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const isOurs = await withRoundLock(deps.kysely, 'sweep', async () => {
    await forEachRunning(deps, hasTime, promotion => sweepOne(promotion, deps, hasTime))
    await guarded({}, deps.logger, () => removeSettledJobs(deps, hasTime))
    await removeLateStreams(deps, hasTime)
  })
  deps.onLock?.('sweep', isOurs)
}

async function removeSettledJobs({ settledRetries, logger }: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const removed = await settledRetries.round(hasTime)
  if (removed > 0) logger.info({ removed }, 'failed retry jobs of gifts that are final were removed')
}

/** Every `SWEEP_INTERVAL_MS`, on one instance: UNKNOWN gifts whose turn has come are asked about. */
export async function checkUnknownRound(deps: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const isOurs = await withRoundLock(deps.kysely, 'check-unknown', async () => {
    const endMs = performance.now() + CHECK_ROUND_MS
    while ((await checkDueUnknown(deps.unknown, CHECKS_PER_TURN, hasTime)) === CHECKS_PER_TURN) {
      if (!hasTime() || performance.now() > endMs) return
      await sleep(CHECK_TURN_MS)
    }
  })
  deps.onLock?.('check-unknown', isOurs)
}

/** Again in every round: a listener's entry may come late. Starting the promotion puts its rows back. */
async function removeStoppedEntries(deps: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const { promotions, producer, streams, logger, onFound } = deps
  await promotions.dateStopped()
  await forEach(await promotions.listEnded('STOPPED', ENDED_WATCH_MS), deps, hasTime, async ({ id, type }) => {
    const streamKey = streams[type].streamKey(id)
    if ((await producer.queue(streamKey).length()) === 0) return
    const isStopped = async () => hasTime() && (await promotions.find(id))?.status === 'STOPPED'
    const removed = await producer.clear(streamKey, isStopped)
    if (removed > 0) logger.info({ promotionId: id, removed }, 'entries of a STOPPED promotion removed')
    onFound?.('stopped-entry', removed)
  })
}

/** A late entry, or a consumer that slept through the completion and made the group again: nothing is left to do there. */
async function removeLateStreams(deps: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const { promotions, producer, registry, streams } = deps
  await forEach(await promotions.listEnded('COMPLETED', ENDED_WATCH_MS), deps, hasTime, ({ id, type }) =>
    registry.cleanupStream(producer.queue(streams[type].streamKey(id))),
  )
}

/** What members of another kind acknowledged without deleting it fills the stream and hides what is missing. */
async function trimLeavings({ id }: Promotion, { registry }: UpkeepDeps): Promise<void> {
  const context = await registry.get(id)
  for (let step = 0; step < MAX_TRIM_STEPS; step++) {
    if (((await context?.queue.trimAcknowledged()) ?? 0) === 0) return
  }
}

async function sweepOne(promotion: Promotion, deps: UpkeepDeps, hasTime: HasTime): Promise<void> {
  const { kysely, producer, streams, retryJobs, sweepAgeMs, logger, onFound } = deps
  const { id: promotionId, type } = promotion
  const left = { kysely, ageMs: sweepAgeMs, hasTime }
  const requeued = await requeueOrphans(promotion, { ...left, producer, stream: streams[type] })
  if (requeued > 0) logger.warn({ promotionId, requeued }, 'rows without an entry were put back on the stream')
  const revived = await reviveLostRetries(promotion, { ...left, retryJobs })
  if (revived > 0) logger.warn({ promotionId, revived }, 'RETRYING rows without a live job got one again')
  onFound?.('orphan', requeued)
  onFound?.('lost-retry', revived)
  await completeIfDone(promotion, deps, true)
}

async function forEachRunning(
  deps: UpkeepDeps,
  hasTime: HasTime,
  work: (promotion: Promotion) => Promise<void>,
): Promise<void> {
  const active = await deps.promotions.listActive()
  const running = active.filter(({ status }) => status === 'IN_PROGRESS')
  await forEach(running, deps, hasTime, work)
}

/** One promotion that fails, or whose shard is away, does not keep the others from theirs. */
async function forEach(
  promotions: readonly Promotion[],
  deps: UpkeepDeps,
  hasTime: HasTime,
  work: (promotion: Promotion) => Promise<void>,
): Promise<void> {
  const { logger } = deps
  for (const promotion of await new AnsweringStreams(deps).of(promotions)) {
    if (!hasTime()) return
    await guarded({ promotionId: promotion.id }, logger, () => work(promotion))
  }
}
