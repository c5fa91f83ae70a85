import type { Kysely } from 'kysely'
import { listUnknown, moveUnknownToRetrying, statesOf } from '#database/gifts/unknown.ts'
import { finish } from '#database/promotions/completion.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { checkUnknownOf, type UnknownDeps, type UnknownTally } from '#promotion/upkeep/check-unknown.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { rebuildStream } from './upkeep/orphans.ts'

/** What an operation returns: the promotion as it is now, and whether it was this call that changed it. */
export interface OperationResult {
  promotion: Promotion
  changed: boolean
}

/**
 * What a person may do with a promotion, from the CLI and the admin alike. Each is a compare-and-set in the database;
 * every instance follows within 5 s. Called twice, the second call changes nothing. All reject with a `CodedError`:
 * `PROMOTION_NOT_FOUND`, `PROMOTION_WRONG_STATE`, and what stands at each; `OPERATION_UNAVAILABLE` when a part that the
 * operation needs was not given.
 */
export interface Operations {
  /** READY, PAUSED or STOPPED → IN_PROGRESS, and the started event where there is Kafka. */
  start(promotionId: string): Promise<OperationResult>
  /** IN_PROGRESS → PAUSED: no POST any more, rows are still taken. */
  pause(promotionId: string): Promise<OperationResult>
  /** PAUSED → IN_PROGRESS. */
  resume(promotionId: string): Promise<OperationResult>
  /** READY, IN_PROGRESS or PAUSED → STOPPED: no POST, no gift taken, entries removed, rows kept. */
  stop(promotionId: string): Promise<OperationResult>
  /**
   * IN_PROGRESS, PAUSED or STOPPED → COMPLETED, whatever the total says; `difference` = rows − `total_count`, recorded.
   * `PROMOTION_UNFINISHED` while gifts are PENDING or RETRYING.
   */
  finish(promotionId: string): Promise<OperationResult & { difference: number | null }>
  /** Everything that should be on the stream and is not, now: within the 80 % window, the rest follows as it drains. */
  rebuild(promotionId: string): Promise<OperationResult & { requeued: number; refilled: number }>
  /**
   * UNKNOWN → RETRYING, one more attempt with the same key: all of the promotion's, or `targetIds`. `GIFT_FINAL` when one
   * of them is SUCCESS or FAILED, `GIFT_NOT_FOUND` when one is not the promotion's; then none is retried.
   */
  retryUnknown(promotionId: string, options?: RetryOptions): Promise<OperationResult & { retried: number }>
  /** Asks the Money API about every UNKNOWN gift, by GET. `MONEY_UNAUTHORIZED`, `MONEY_UNAVAILABLE`. */
  reconcileUnknown(
    promotionId: string,
    options?: { onProgress?(done: UnknownTally): void },
  ): Promise<OperationResult & UnknownTally>
}

export interface RetryOptions {
  targetIds?: readonly string[]
  onProgress?(retried: number): void
}

export interface OperationsDeps {
  kysely: Kysely<unknown>
  promotions: PromotionRepository
  streams: Readonly<Record<PromotionType, PromotionStream>>
  logger: Logger
  /** Started events; without it the instances find a start by themselves, two seconds later. */
  events?: { provider: Pick<EventProviderService, 'publish'>; startedTopic: string }
  /** Needed by `rebuild`; `start` and `resume` put missing entries back at once where it is given. */
  producer?: PromotionStreamProducer
  /** Needed by `retryUnknown`. */
  retryJobs?: Pick<RetryJobs, 'revive'>
  /** Needed by `reconcileUnknown`. */
  money?: Omit<UnknownDeps, 'kysely'>
}

const RETRY_PAGE_SIZE = 500
/** When the check of UNKNOWN gifts looks whether a retried gift still has its job. */
const RETRY_RECHECK_MS = 60_000

export function createOperations(deps: OperationsDeps): Operations {
  return {
    start: promotionId => start(promotionId, deps),
    pause: promotionId => move(promotionId, ['IN_PROGRESS'], 'PAUSED', deps),
    resume: async promotionId => {
      const result = await move(promotionId, ['PAUSED'], 'IN_PROGRESS', deps)
      if (result.changed) await putBack(result.promotion, deps)
      return result
    },
    stop: promotionId => move(promotionId, ['READY', 'IN_PROGRESS', 'PAUSED'], 'STOPPED', deps),
    finish: promotionId => finishPromotion(promotionId, deps),
    rebuild: promotionId => rebuild(promotionId, deps),
    retryUnknown: (promotionId, options = {}) => retryUnknown(promotionId, options, deps),
    reconcileUnknown: async (promotionId, { onProgress } = {}) => {
      const promotion = await find(promotionId, deps)
      const money = need(deps.money, 'the Money API (MONEY_API_URL, and REDIS_URL)')
      const done = await checkUnknownOf(promotion, { kysely: deps.kysely, ...money }, onProgress)
      return { promotion, changed: done.succeeded > 0, ...done }
    },
  }
}

async function start(promotionId: string, deps: OperationsDeps): Promise<OperationResult> {
  const { status } = await find(promotionId, deps)
  const result = await move(promotionId, ['READY', 'PAUSED', 'STOPPED'], 'IN_PROGRESS', deps)
  if (result.changed && status !== 'READY') await putBack(result.promotion, deps)
  const { totalCount, type } = result.promotion
  await deps.events?.provider.publish({
    topic: deps.events.startedTopic,
    key: promotionId,
    value: JSON.stringify({ promotionId, totalCount, type }),
  })
  return result
}

async function move(
  promotionId: string,
  from: readonly PromotionStatus[],
  to: 'IN_PROGRESS' | 'PAUSED' | 'STOPPED',
  { promotions }: OperationsDeps,
): Promise<OperationResult> {
  const moved = await promotions.move(promotionId, from, to)
  if (moved === undefined) throw notFound(promotionId)
  if (!moved.changed && moved.promotion.status !== to) throw wrongState(moved.promotion, to)
  return moved
}

async function find(promotionId: string, { promotions }: OperationsDeps): Promise<Promotion> {
  const promotion = await promotions.find(promotionId)
  if (promotion === undefined) throw notFound(promotionId)
  return promotion
}

function notFound(promotionId: string): CodedError {
  return new CodedError('PROMOTION_NOT_FOUND', `promotion ${promotionId} does not exist`)
}

function wrongState({ id, status }: Promotion, to: PromotionStatus): CodedError {
  return new CodedError('PROMOTION_WRONG_STATE', `promotion ${id} is ${status} and cannot become ${to}`)
}

function need<Part>(part: Part | undefined, name: string): Part {
  if (part === undefined) throw new CodedError('OPERATION_UNAVAILABLE', `this needs ${name}`)
  return part
}

/** A stop removed the entries, or Redis lost them: upkeep would find that out after the sweep age. */
async function putBack(promotion: Promotion, { kysely, producer, streams, logger }: OperationsDeps): Promise<void> {
  if (producer === undefined) return
  try {
    await rebuildStream(promotion, { kysely, producer, stream: streams[promotion.type] })
  } catch (error) {
    // The change is made; upkeep does what is left of it.
    logger.warn({ err: toError(error), promotionId: promotion.id }, `stream not rebuilt yet: ${errorLine(error)}`)
  }
}

async function rebuild(promotionId: string, deps: OperationsDeps) {
  const producer = need(deps.producer, 'Redis (REDIS_URL)')
  const promotion = await find(promotionId, deps)
  if (promotion.status !== 'IN_PROGRESS') {
    throw new CodedError(
      'PROMOTION_WRONG_STATE',
      `promotion ${promotionId} is ${promotion.status}: only one that is IN_PROGRESS has entries`,
    )
  }
  const stream = deps.streams[promotion.type]
  const rebuilt = await rebuildStream(promotion, { kysely: deps.kysely, producer, stream })
  return { promotion, changed: rebuilt.requeued + rebuilt.refilled > 0, ...rebuilt }
}

async function finishPromotion(promotionId: string, deps: OperationsDeps) {
  const known = await find(promotionId, deps)
  const outcome = await finish(deps.kysely, known)
  const promotion = await find(promotionId, deps)
  switch (outcome.kind) {
    case 'finished':
      return { promotion, changed: true, difference: outcome.difference }
    case 'unfinished':
      throw new CodedError(
        'PROMOTION_UNFINISHED',
        `promotion ${promotionId} has ${outcome.pending} PENDING and ${outcome.retrying} RETRYING gifts`,
      )
    case 'wrong-state':
      if (promotion.status === 'COMPLETED') return { promotion, changed: false, difference: null }
      throw wrongState(promotion, 'COMPLETED')
  }
}

async function retryUnknown(promotionId: string, { targetIds, onProgress }: RetryOptions, deps: OperationsDeps) {
  const retryJobs = need(deps.retryJobs, 'Redis (REDIS_URL)')
  const promotion = await find(promotionId, deps)
  if (targetIds !== undefined) await refuseFinal(promotion, targetIds, deps)
  let retried = 0
  for await (const page of pagesOf(promotion, targetIds, deps)) {
    const moved = await moveUnknownToRetrying(deps.kysely, promotion, page, RETRY_RECHECK_MS)
    // A job that ran before is no matter: what it does is decided by the row.
    const jobs = moved.map(targetId => ({ data: { type: promotion.type, promotionId, targetId }, attempts: 1 }))
    await retryJobs.revive(jobs)
    retried += moved.length
    onProgress?.(retried)
  }
  return { promotion, changed: retried > 0, retried }
}

async function refuseFinal(promotion: Promotion, targetIds: readonly string[], { kysely }: OperationsDeps) {
  const states = await statesOf(kysely, promotion, targetIds)
  for (const targetId of targetIds) {
    const state = states.get(targetId)
    if (state === undefined) throw new CodedError('GIFT_NOT_FOUND', `promotion ${promotion.id} has no gift ${targetId}`)
    if (state === 'SUCCESS' || state === 'FAILED')
      throw new CodedError('GIFT_FINAL', `gift ${targetId} is ${state}: that is final`)
  }
}

async function* pagesOf(promotion: Promotion, targetIds: readonly string[] | undefined, { kysely }: OperationsDeps) {
  if (targetIds !== undefined) {
    for (let from = 0; from < targetIds.length; from += RETRY_PAGE_SIZE)
      yield targetIds.slice(from, from + RETRY_PAGE_SIZE)
    return
  }
  for (let afterId = '0'; ; ) {
    const rows = await listUnknown(kysely, promotion, { afterId, limit: RETRY_PAGE_SIZE })
    yield rows.map(({ targetId }) => targetId)
    if (rows.length < RETRY_PAGE_SIZE) return
    afterId = rows.at(-1)?.id ?? afterId
  }
}
