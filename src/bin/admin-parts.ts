import { openRetryQueue } from '#admin/board/retry-queue-adapter.ts'
import { createLateEventProvider } from '#admin/late-events.ts'
import { createSampler } from '#admin/snapshot/sampler.ts'
import { createStreamCounter } from '#admin/snapshot/streams.ts'
import { giftTopicsOf } from '#config/gift-topics.ts'
import type { AdminConfig } from '#config/schemas.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { createLagReader } from '#kafka/lag.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import { listReports } from '#promotion/consumers/process-reports.ts'
import { createOperations } from '#promotion/operations.ts'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Service } from '#runtime/service.ts'
import { assertRedisUrls, sharedRedisOf } from './connections.ts'
import { type OperationNeed, operationPartsOf, partsOf } from './parts.ts'

/** A person waits: what Redis does not do within this time has failed. */
const REDIS_COMMAND_MS = 5000

export type AdminParts = Awaited<ReturnType<typeof adminPartsOf>>

/** The parts of the admin: those that all have, and what only the admin looks at. */
export async function adminPartsOf(config: AdminConfig, logger: Logger) {
  assertRedisUrls(config)
  const parts = await partsOf('admin', config, {
    logger,
    moneyConnections: config.WORKER_MAX_IN_FLIGHT,
    redisCommandTimeoutMs: REDIS_COMMAND_MS,
  })
  const redis = parts.redis()
  const canPay = config.MONEY_API_URL !== undefined
  const payment: Service[] = canPay ? parts.money().services : []
  // Their names are there from the first scrape on.
  parts.promotionMetrics()
  return {
    ...parts,
    canPay,
    payment,
    shared: sharedRedisOf(config, logger, REDIS_COMMAND_MS),
    retryQueue: openRetryQueue(redis.client, redis.prefix),
    lateEvents: createLateEventProvider(() => createEventProvider(parts.kafka())),
    lag: createLagReader(parts.kafka()),
  }
}

/** What looks at everything once a second for all who ask. */
export function samplerOf(config: AdminConfig, parts: AdminParts) {
  const { database, streams, shared, lag, retryQueue, logger } = parts
  const topics = giftTopicsOf(config)
  return createSampler({
    kysely: database.kysely,
    streams: createStreamCounter({ connection: parts.stream().connection, streams }),
    listReports: () => listReports<InstanceRecord>(shared.client),
    kafkaLag: type => lag.read(topics[type].gifts.groupId, topics[type].gifts.topic),
    hasListener: type => lag.hasMembers(topics[type].gifts.groupId),
    retriesPaused: () => retryQueue.queue.isPaused(),
    logger,
  })
}

/** The operations that the CLI has too. */
export function operationsOf(config: AdminConfig, parts: AdminParts) {
  const { lateEvents, logger, canPay } = parts
  const needs: OperationNeed[] = ['stream', 'retry-jobs', ...(canPay ? (['money'] as const) : [])]
  const provider: Pick<typeof lateEvents, 'publish'> = {
    // Without Kafka the instances find a start by themselves, two seconds later.
    publish: event =>
      lateEvents.publish(event).catch(error => logger.warn({ err: error }, `started event lost: ${errorLine(error)}`)),
  }
  return createOperations(operationPartsOf(parts, needs, { startedTopic: config.KAFKA_TOPIC_STARTED, provider }))
}
