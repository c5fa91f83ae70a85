import type { Kysely } from 'kysely'
import {
  type CompletedPromotion,
  complete,
  countersSayComplete,
  countFinal,
  listUnannounced,
  markAnnounced,
  mayBeComplete,
} from '#database/promotions/completion.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { EventProviderService } from '#kafka/event-provider.ts'
import type { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import type { Logger } from '#runtime/logger.ts'
import { guarded } from './guarded.ts'

export interface CompletionDeps {
  kysely: Kysely<unknown>
  registry: PromotionConsumerRegistry
  producer: PromotionStreamProducer
  streams: Readonly<Record<PromotionType, PromotionStream>>
  events: EventProviderService
  topic: string
  quietMs: number
  logger: Logger
}

const MAX_ANNOUNCED = 100
/** By then every instance has seen the status and stopped its consumers; one that reads would make the group again. */
const CONSUMERS_STOP_MS = 5000

/**
 * Completes a promotion whose gifts are all final. Without `thorough` the rows are looked at only
 * when counters say so; with it they are, whatever the counters say.
 */
export async function completeIfDone(promotion: Promotion, deps: CompletionDeps, thorough: boolean): Promise<void> {
  if (promotion.status !== 'IN_PROGRESS' || promotion.totalCount === 0) return
  const { kysely, quietMs } = deps
  if (!thorough && !(await countersSayComplete(kysely, promotion))) return
  if (!(await mayBeComplete(kysely, promotion, quietMs))) return
  if (await complete(kysely, promotion, quietMs)) {
    deps.logger.info({ promotionId: promotion.id }, 'promotion completed')
  }
}

/**
 * After the completion is committed: consumers stop on every instance, the stream is removed, and the completed event is
 * published, at least once. What fails is done in the next round, and keeps no other promotion from its own.
 */
export async function announceCompleted(deps: CompletionDeps, hasTime: () => boolean): Promise<void> {
  const { kysely, registry, producer, streams, logger } = deps
  const ready: CompletedPromotion[] = []
  for (const ended of await listUnannounced(kysely, { restMs: CONSUMERS_STOP_MS, limit: MAX_ANNOUNCED })) {
    const { promotionId, type } = ended
    if (!hasTime()) return
    await guarded({ promotionId }, logger, async () => {
      await registry.cleanupStream(producer.queue(streams[type].streamKey(promotionId)))
      ready.push({ ...ended, ...(await countFinal(kysely, ended)) })
    })
  }
  // Together: a Kafka that is away is waited for once.
  await Promise.all(
    ready.map(completed =>
      guarded({ promotionId: completed.promotionId }, logger, () => publishCompleted(completed, deps)),
    ),
  )
}

async function publishCompleted(completed: CompletedPromotion, { kysely, events, topic, logger }: CompletionDeps) {
  const { promotionId } = completed
  await events.publish({ topic, key: promotionId, value: JSON.stringify(completed) })
  await markAnnounced(kysely, promotionId)
  logger.info({ promotionId }, 'completed event published')
}
