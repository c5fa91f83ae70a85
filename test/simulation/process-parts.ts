import { setTimeout as sleep } from 'node:timers/promises'
import type { MoneyCampaignChargeApi } from '#money/charge-api.ts'
import { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import type { ProcessorDeps } from '#promotion/payment/processor.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { CampaignPromotionStatusCacheService } from '#promotion/payment/status-cache.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { clientOf } from '#stream/connection.ts'
import type { StreamConnection } from '#stream/index.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MAX_ATTEMPTS } from './plan.ts'
import { RedisLink } from './redis-link.ts'
import type { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

/** Nobody asks for these here: one set for all worlds. */
const metrics = createPromotionMetrics(createMetrics('simulation'))

export function connectionOf(world: World, process: SimProcess): { connection: StreamConnection; link: RedisLink } {
  const link = new RedisLink(world, process)
  world.links.add(link)
  const connection = createMemoryConnection(world.redis, { link, logger: world.loggerOf(process) })
  link.onCut = () => (clientOf(connection) as unknown as { cut(): void }).cut()
  return { connection, link }
}

/** A process that does not reach Redis at its start ends, and is started again. */
export async function reach(connection: StreamConnection): Promise<void> {
  for (;;) {
    try {
      return await connection.ready()
    } catch {
      await sleep(500)
    }
  }
}

/** What a processor is made of, in one process. */
export function processorDepsOf(
  world: World,
  process: SimProcess,
  connection: StreamConnection,
  moneyCampaignChargeApi: MoneyCampaignChargeApi,
): ProcessorDeps {
  const logger = world.loggerOf(process)
  const repository = world.rows.repositoryOf(process)
  const results = { VOUCHER: repository, POINT: repository }
  const eventProviderService = world.retries.eventProviderOf(process)
  return {
    results,
    skipped: { insert: gift => world.database(process, () => void world.rows.skipped.push(gift)) },
    resultUpdateService: new CampaignPromotionResultUpdateService({ results, metrics, logger }),
    promotionStatusCacheService: new CampaignPromotionStatusCacheService({
      find: id => world.database(process, () => world.rows.promotions.get(id)),
    }),
    eventProviderService,
    streamProducer: new PromotionStreamProducer({ connection, maxLen: 1000 }),
    streams: promotionStreams(''),
    moneyCampaignChargeApi,
    invalidMessages: new InvalidMessageReporter(eventProviderService, 'invalid'),
    metrics,
    logger,
    settings: {
      streamEnabled: true,
      maxAttempts: MAX_ATTEMPTS,
      keyTtlMs: 86_400_000,
      retryTopics: { VOUCHER: 'retry', POINT: 'retry' },
    },
  }
}
