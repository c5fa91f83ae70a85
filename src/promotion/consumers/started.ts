import type { PromotionRepository } from '#database/promotions/promotions.ts'
import { parseMessage } from '#promotion/intake/gift-message.ts'
import type { PromotionMetrics } from '#promotion/metrics.ts'
import { type PromotionStartedMessage, promotionStartedMessage } from '#queues/started.message.ts'
import type { Logger } from '#runtime/logger.ts'
import type { StatusFollower } from './follow-status.ts'

export interface StartedDeps {
  promotions: PromotionRepository
  statusFollower: Pick<StatusFollower, 'followOne'>
  metrics: PromotionMetrics
  logger: Logger
  /** Called when this process has done what an event asks for. */
  onAnswered?(promotionId: string): void
}

/** Clocks of producers, brokers and PostgreSQL may differ by this much. */
const CLOCKS_DIFFER_MS = 60_000

/**
 * A started event: READY → IN_PROGRESS, and the consumers of an IN_PROGRESS promotion run. On any other state it
 * changes nothing. One that starts nothing is an error line and a counter, never an exception.
 * Every new worker hears all events from the first: one that is older than its promotion's row was refused in its time, and
 * starts nothing that was made later. Rejects only when the database does not answer.
 */
export async function handlePromotionStarted(json: string, deps: StartedDeps, writtenAtMs?: number): Promise<void> {
  const parsed = parseMessage(promotionStartedMessage, json)
  if (!parsed.ok) return refuse(deps, 'invalid', parsed.reason)
  const { promotionId } = parsed.message
  if (writtenAtMs !== undefined && (await deps.promotions.isNewerThan(promotionId, writtenAtMs + CLOCKS_DIFFER_MS))) {
    deps.logger.info({ promotionId, writtenAtMs }, 'a started event older than its promotion is ignored')
    return
  }
  const reason = await startPromotion(parsed.message, deps)
  if (reason !== undefined) refuse(deps, reason, `promotion ${promotionId}`)
  else deps.onAnswered?.(promotionId)
}

async function startPromotion(
  { promotionId, totalCount, type }: PromotionStartedMessage,
  { promotions, statusFollower, logger }: StartedDeps,
): Promise<string | undefined> {
  const known = await promotions.find(promotionId)
  if (known === undefined) return 'promotion-not-found'
  if (known.type !== type) return 'promotion-type-mismatch'
  const started = await promotions.start(promotionId, totalCount)
  if (started?.changed)
    logger.info({ promotionId, type, totalCount: started.promotion.totalCount }, 'promotion started')
  if (started?.promotion.status === 'IN_PROGRESS') await statusFollower.followOne(started.promotion)
  return undefined
}

function refuse({ metrics, logger }: StartedDeps, reason: string, detail: string): void {
  metrics.startedEventErrors.inc({ reason })
  logger.error({ reason }, `started event starts nothing: ${reason}: ${detail}`)
}
