import '#runtime/node-version.cjs'
import { hostname } from 'node:os'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { type WorkerConfig, workerSchema } from '#config/schemas.ts'
import { TopicConsumer } from '#kafka/topic-consumer.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { campaignPromotionStartedListener } from '#listeners/campaign-listeners.ts'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { PromotionReconciler } from '#promotion/consumers/follow-status.ts'
import { createInstanceReporter } from '#promotion/consumers/instances.ts'
import type { StartedDeps } from '#promotion/consumers/started.ts'
import { PromotionStreamManager } from '#promotion/consumers/stream-manager.ts'
import { deadLetterLabel } from '#promotion/metrics.ts'
import { createRetryProcessors } from '#promotion/payment/processors.ts'
import { createRetryJobs, type RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { createBalanceCheck } from '#promotion/upkeep/balance-check.ts'
import { ResumedRetries } from '#promotion/upkeep/lost-retries.ts'
import { RefillRounds } from '#promotion/upkeep/refill-rounds.ts'
import { SettledRetries } from '#promotion/upkeep/settled-retries.ts'
import { createLockWatch } from '#promotion/upkeep/upkeep-locks.ts'
import { registerConsumerMetrics } from '#promotion/worker-metrics.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Loop } from '#runtime/loop-watch.ts'
import type { ProcessLife } from '#runtime/process-life.ts'
import { service } from '#runtime/service.ts'
import { StreamPool } from '#stream/index.ts'
import { giftWorkers } from '#workers/gift.worker.ts'
import { createRetryWorker } from '#workers/retry.worker.ts'
import { createUpkeepWorker } from '#workers/upkeep.worker.ts'
import { redisOwnerOf, retryRedisOf } from './connections.ts'
import { type Foundation, foundationOf, retryerOf, retryPolicyOf } from './foundation.ts'
import { consumerLoop, freshProbesOf, giftHealthOf, type HealthLoop } from './health.ts'
import { runProcess } from './run-process.ts'

/** How soon a promotion's status, changed by anyone, is followed by this process, in ms. */
const RECONCILE_INTERVAL_MS = 2000

/** Longer than any of their turns takes by itself, in ms. */
const POOL_READY_MS = 15_000
const UPKEEP_READY_MS = 15_000 + RECONCILE_INTERVAL_MS
const RETRY_READY_MS = 30_000

/** Stream → Money API → result row → ack; retries; upkeep; started events. Scales with load. */
await runProcess('worker', workerSchema, async (config, { logger, fatal, assertStarted }) => {
  const foundation = await foundationOf('worker', config, logger)
  const { metrics, database, money, promotions, streamProducer, processorDeps, services } = foundation
  const redis = retryRedisOf(config, logger)
  const owner = redisOwnerOf('worker', config, { database, redis, stream: foundation.stream, logger, fatal })

  const { reconciler, refills, registry, pool, consumers } = streamPartsOf(config, foundation, logger)
  const { retryJobs, retryWorker, care } = retryPartsOf(config, foundation, redis, logger)
  money.gate.onHold(isHeld => {
    if (isHeld) registry.hold('money-api')
    else registry.release('money-api')
    retryWorker.hold(isHeld)
  })
  const onLock = createLockWatch({ metrics, logger })
  const upkeep = createUpkeepWorker({
    reconciler,
    balance: createBalanceCheck({ kysely: database.kysely, metrics, logger, onLock }),
    refills,
    reconcileIntervalMs: RECONCILE_INTERVAL_MS,
    sweepIntervalMs: config.SWEEP_INTERVAL_MS,
    upkeep: {
      kysely: database.kysely,
      promotions,
      registry,
      producer: streamProducer,
      streams: processorDeps.streams,
      retryJobs,
      events: processorDeps.eventProviderService,
      topic: config.KAFKA_TOPIC_COMPLETED,
      quietMs: config.COMPLETION_QUIET_MS,
      sweepAgeMs: config.SWEEP_AGE_MS,
      unknown: unknownPartsOf(config, foundation, retryJobs),
      ...care,
      logger,
      onLock,
      onFound: (what, count) => processorDeps.metrics.upkeepFound.inc({ what }, count),
    },
  })
  const instance = createInstanceReporter({
    redis: money.cache,
    registry,
    money: () => money.gate.status,
    slotsMax: config.WORKER_MAX_IN_FLIGHT,
    logger,
  })
  const started = startedConsumersOf(config, foundation, {
    reconciler,
    logger,
    fatal,
    onAnswered: instance.startedEvent,
  })
  registerConsumerMetrics(metrics, registry)
  const health = giftHealthOf(foundation, {
    ...{ config, logger, fatal, assertStarted },
    redis: redis.client,
    loops: loopsOf(config, foundation, { pool, upkeep, retryWorker, started }, logger),
    port: config.WORKER_PORT,
    portSetting: 'WORKER_PORT',
  })
  return [
    ...health.probes,
    redis.service,
    ...services,
    owner,
    topicsOf(config, foundation),
    consumers,
    retryJobs,
    retryWorker,
    upkeep,
    ...started,
    instance,
    money.gate.waiting,
    ...health.watches,
  ]
})

/** The loops that must come round, and what each needs. */
function loopsOf(
  config: WorkerConfig,
  { kafka }: Foundation,
  parts: { pool: StreamPool; upkeep: Loop; retryWorker: Loop; started: readonly TopicConsumer[] },
  logger: Logger,
): HealthLoop[] {
  const fresh = freshProbesOf(config, logger)
  const pool: Loop = {
    name: 'stream-pool',
    get ageMs() {
      return parts.pool.ageMs
    },
  }
  return [
    { loop: pool, readyMs: POOL_READY_MS + config.REDIS_STREAM_POLL_INTERVAL_MS, needs: [fresh.streams] },
    { loop: parts.upkeep, readyMs: UPKEEP_READY_MS, needs: [fresh.database, fresh.streams] },
    { loop: parts.retryWorker, readyMs: RETRY_READY_MS, needs: [fresh.redis] },
    ...parts.started.map(consumer =>
      consumerLoop(consumer, kafka, { groupId: startedGroupOf(config), topic: config.KAFKA_TOPIC_STARTED }),
    ),
  ]
}

function topicsOf(config: WorkerConfig, { kafka }: Foundation) {
  const names = [
    config.KAFKA_TOPIC_STARTED,
    ...Object.values(giftTopicsOf(config)).map(({ retries }) => retries.topic),
    config.KAFKA_TOPIC_COMPLETED,
  ]
  return service('topics', {
    start: () => ensureTopics(kafka, names, config.KAFKA_TOPIC_PARTITIONS),
    stop: async () => undefined,
  })
}

function startedGroupOf({ KAFKA_GROUP_ID: prefix }: WorkerConfig): string {
  return `${prefix}-started-${hostname()}-${process.pid}`
}

/** The planning documents' `@ConditionalOnProperty`: the started listener exists only while the toggle is on. */
function startedConsumersOf(
  config: WorkerConfig,
  { kafka, promotions, processorDeps: { metrics } }: Foundation,
  { fatal, ...parts }: Pick<StartedDeps, 'reconciler' | 'logger' | 'onAnswered'> & Pick<ProcessLife, 'fatal'>,
): TopicConsumer[] {
  if (!config.REDIS_STREAM_ENABLED) return []
  const { logger } = parts
  const consumer = new TopicConsumer({
    kafka,
    groupId: startedGroupOf(config),
    topics: [config.KAFKA_TOPIC_STARTED],
    handleBatch: campaignPromotionStartedListener({ promotions, metrics, retryer: retryerOf(logger), ...parts }),
    logger,
    onFatal: fatal,
    isPrivateGroup: true,
  })
  return [consumer]
}

/** The consumers of this process: their slots, who starts and stops them, and what the database wants of them. */
function streamPartsOf(config: WorkerConfig, foundation: Foundation, logger: Logger) {
  const { database, stream, promotions, streamProducer, processorDeps } = foundation
  const registry = new PromotionConsumerRegistry(logger)
  const pool = new StreamPool({
    connection: stream.connection,
    maxInFlight: config.WORKER_MAX_IN_FLIGHT,
    pollIntervalMs: config.REDIS_STREAM_POLL_INTERVAL_MS,
  })
  const manager = new PromotionStreamManager({
    connection: stream.connection,
    pool,
    registry,
    handlers: giftWorkers(processorDeps),
    settings: streamSettingsOf(config),
    logger,
    onDead: (type, reason) => processorDeps.metrics.deadLetters.inc({ type, reason: deadLetterLabel(reason) }),
    onOtherGroup: type => processorDeps.metrics.otherGroups.inc({ type }),
    onDelivery: (type, isRepeated) => processorDeps.metrics.deliveries.inc({ type, repeated: String(isRepeated) }),
  })
  const { streams } = processorDeps
  const refills = new RefillRounds({ kysely: database.kysely, producer: streamProducer, streams, logger })
  const reconciler = new PromotionReconciler({ promotions, manager, registry, refills, logger })
  const consumers = service('consumers', {
    start: async () => undefined,
    stop: async deadline => {
      await registry.shutdownAll(deadline)
      await pool.close()
    },
  })
  return { reconciler, refills, registry, pool, consumers }
}

/** What tries gifts again, and what upkeep does about its jobs. */
function retryPartsOf(
  config: WorkerConfig,
  { database, promotions, processorDeps }: Foundation,
  redis: ReturnType<typeof retryRedisOf>,
  logger: Logger,
) {
  const shared = { connection: redis.client, prefix: redis.prefix, policy: retryPolicyOf(config) }
  const retryJobs = createRetryJobs(shared)
  const retryWorker = createRetryWorker({
    ...shared,
    processors: createRetryProcessors(processorDeps),
    logger,
  })
  const { kysely } = database
  const care = {
    resumedRetries: new ResumedRetries({ kysely, promotions, retryJobs, sweepAgeMs: config.SWEEP_AGE_MS, logger }),
    settledRetries: new SettledRetries({ kysely, retryJobs }),
  }
  return { retryJobs, retryWorker, care }
}

/** What asks about UNKNOWN gifts. */
function unknownPartsOf(config: WorkerConfig, { database, processorDeps }: Foundation, retryJobs: RetryJobs) {
  const { moneyCampaignChargeApi: moneyApi, resultUpdateService, logger } = processorDeps
  return { kysely: database.kysely, moneyApi, resultUpdateService, retryJobs, recheckMs: config.SWEEP_AGE_MS, logger }
}

function streamSettingsOf(config: WorkerConfig) {
  return {
    maxLen: config.REDIS_STREAM_MAX_LEN,
    readCount: config.REDIS_STREAM_READ_COUNT,
    pollIntervalMs: config.REDIS_STREAM_POLL_INTERVAL_MS,
    maxConsumersPerInstance: config.REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE,
    claimMinIdleMs: config.REDIS_STREAM_CLAIM_MIN_IDLE_MS,
    maxDeliveries: config.REDIS_STREAM_MAX_DELIVERIES,
  }
}
