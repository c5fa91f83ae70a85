import { hostname } from 'node:os'
import type { WorkerConfig } from '#config/schemas.ts'
import { readGiftsLeft } from '#database/promotions/progress.ts'
import { TopicConsumer } from '#kafka/topic-consumer.ts'
import { campaignPromotionStartedListener } from '#listeners/campaign-listeners.ts'
import type { MoneyGate } from '#money/gate.ts'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { StatusFollower } from '#promotion/consumers/follow-status.ts'
import { listInstances } from '#promotion/consumers/instances.ts'
import { SlotSharing, type SlotSharingDeps } from '#promotion/consumers/slot-sharing.ts'
import type { StartedDeps } from '#promotion/consumers/started.ts'
import { PromotionStreamManager } from '#promotion/consumers/stream-manager.ts'
import { deadLetterLabel } from '#promotion/metrics.ts'
import { createRetryProcessors } from '#promotion/payment/processors.ts'
import { sealRound } from '#promotion/seal/seal.ts'
import { createBalanceCheck } from '#promotion/upkeep/balance-check.ts'
import { createLockWatch } from '#promotion/upkeep/lock-watch.ts'
import { ResumedRetries } from '#promotion/upkeep/lost-retries.ts'
import { RefillRounds } from '#promotion/upkeep/refill-rounds.ts'
import { SettledRetries } from '#promotion/upkeep/settled-retries.ts'
import type { Loop } from '#runtime/loop-watch.ts'
import type { ProcessLife } from '#runtime/process-life.ts'
import { service } from '#runtime/service.ts'
import { StreamPool } from '#stream/index.ts'
import { giftWorkers } from '#workers/gift.worker.ts'
import { createRetryWorker, type RetryWorker } from '#workers/retry.worker.ts'
import { createUpkeepWorker } from '#workers/upkeep.worker.ts'
import { type GiftParts, retryerOf } from './gift-parts.ts'
import { consumerLoop, freshProbesOf, type HealthLoop } from './health.ts'
import { retryPolicyOf } from './parts.ts'

const SECONDS_A_DAY = 86_400

/** How soon a promotion's status, changed by anyone, is followed by this process, in ms. */
const FOLLOW_INTERVAL_MS = 2000

/** Longer than any of their turns takes by itself, in ms. */
const POOL_READY_MS = 15_000
const UPKEEP_READY_MS = 15_000 + FOLLOW_INTERVAL_MS
const RETRY_READY_MS = 30_000

/** The consumers of this process: their slots, who starts and stops them, and what the database wants of them. */
export function consumersOf(config: WorkerConfig, parts: GiftParts) {
  const { database, promotions, streams, processorDeps, logger } = parts
  const { metrics } = processorDeps
  const { connection } = parts.stream()
  const registry = new PromotionConsumerRegistry(logger)
  const pool = new StreamPool({
    connection,
    maxInFlight: config.WORKER_MAX_IN_FLIGHT,
    pollIntervalMs: config.REDIS_STREAM_POLL_INTERVAL_MS,
  })
  const sharing = config.WORKER_SLOTS_BY_DEADLINE ? slotSharingOf(config, parts, { pool, registry }) : undefined
  const manager = new PromotionStreamManager({
    connection,
    pool,
    registry,
    handlers: giftWorkers(processorDeps),
    settings: streamSettingsOf(config),
    sharing,
    logger,
    onDead: (type, reason) => metrics.deadLetters.inc({ type, reason: deadLetterLabel(reason) }),
    onOtherGroup: type => metrics.otherGroups.inc({ type }),
    onDelivery: (type, isRepeated) => metrics.deliveries.inc({ type, repeated: String(isRepeated) }),
  })
  const refills = new RefillRounds({ kysely: database.kysely, producer: parts.producer(), streams, logger })
  const statusFollower = new StatusFollower({ promotions, manager, registry, refills, sharing, logger })
  const life = service('consumers', {
    start: async () => sharing?.service.start(),
    stop: async deadline => {
      await sharing?.service.stop()
      await registry.shutdownAll(deadline)
      await pool.close()
    },
  })
  return { statusFollower, refills, registry, pool, service: life }
}

function slotSharingOf(
  { WORKER_MAX_IN_FLIGHT: slotsMax }: WorkerConfig,
  { database, money, logger }: GiftParts,
  { pool, registry }: Pick<SlotSharingDeps, 'pool' | 'registry'>,
): SlotSharing {
  const { gate, cache } = money()
  return new SlotSharing({
    pool,
    registry,
    slotsMax,
    giftsLeft: ids => readGiftsLeft(database.kysely, ids),
    countWorkers: async () => (await listInstances(cache)).length,
    callsWaiting: () => gate.callsWaiting,
    logger,
  })
}

function streamSettingsOf(config: WorkerConfig) {
  return {
    maxLen: config.REDIS_STREAM_MAX_LEN,
    readCount: config.REDIS_STREAM_READ_COUNT,
    pollIntervalMs: config.REDIS_STREAM_POLL_INTERVAL_MS,
    maxConsumersPerInstance: config.REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE,
    claimMinIdleMs: config.REDIS_STREAM_CLAIM_MIN_IDLE_MS,
    maxDeliveries: config.REDIS_STREAM_MAX_DELIVERIES,
    removeOnFail: {
      count: config.REDIS_STREAM_MAX_DEAD_LETTERS,
      age: config.REDIS_STREAM_MAX_DEAD_LETTER_AGE_DAYS * SECONDS_A_DAY,
    },
  }
}

/** What tries gifts again, and what upkeep does about its jobs. */
export function retriesOf(config: WorkerConfig, parts: GiftParts) {
  const { promotions, processorDeps, logger } = parts
  const { kysely } = parts.database
  const retryJobs = parts.retryJobs()
  const redis = parts.redis()
  const retryWorker = createRetryWorker({
    connection: redis.client,
    prefix: redis.prefix,
    policy: retryPolicyOf(config),
    processors: createRetryProcessors(processorDeps),
    logger,
  })
  const care = {
    resumedRetries: new ResumedRetries({ kysely, promotions, retryJobs, sweepAgeMs: config.SWEEP_AGE_MS, logger }),
    settledRetries: new SettledRetries({ kysely, retryJobs }),
  }
  return { retryWorker, care }
}

/** While the gate refuses calls, nothing is begun that would make one. */
export function blockTogether(gate: MoneyGate, registry: PromotionConsumerRegistry, retryWorker: RetryWorker): void {
  gate.onBlocked(isBlocked => {
    if (isBlocked) registry.pause('money-api')
    else registry.release('money-api')
    retryWorker.setBlocked(isBlocked)
  })
}

type UpkeepNeeds = Omit<ReturnType<typeof consumersOf>, 'service'> & ReturnType<typeof retriesOf>

/** What finds again whatever falls between two steps, one instance at a time. */
export function upkeepOf(config: WorkerConfig, parts: GiftParts, needs: UpkeepNeeds) {
  const { statusFollower, refills, registry, care } = needs
  const { database, promotions, streams, logger, processorDeps } = parts
  const { kysely } = database
  const { metrics, moneyCampaignChargeApi: moneyApi, resultUpdateService } = processorDeps
  const retryJobs = parts.retryJobs()
  const onLock = createLockWatch({ metrics: parts.metrics(), logger })
  return createUpkeepWorker({
    statusFollower,
    balance: createBalanceCheck({ kysely, metrics: parts.metrics(), logger, onLock }),
    refills,
    seals: sealsOf(config, parts),
    followIntervalMs: FOLLOW_INTERVAL_MS,
    sweepIntervalMs: config.SWEEP_INTERVAL_MS,
    upkeep: {
      kysely,
      promotions,
      registry,
      producer: parts.producer(),
      streams,
      retryJobs,
      events: parts.events(),
      topic: config.KAFKA_TOPIC_COMPLETED,
      quietMs: config.COMPLETION_QUIET_MS,
      sweepAgeMs: config.SWEEP_AGE_MS,
      unknown: { kysely, moneyApi, resultUpdateService, retryJobs, recheckMs: config.SWEEP_AGE_MS, logger },
      ...care,
      logger,
      onLock,
      onFound: (what, count) => metrics.upkeepFound.inc({ what }, count),
    },
  })
}

/** Only with a key to sign with. */
function sealsOf({ SEAL_PRIVATE_KEY: privateKeyPem }: WorkerConfig, { database, logger }: GiftParts) {
  if (privateKeyPem === undefined) return undefined
  const deps = { kysely: database.kysely, privateKeyPem, logger }
  return { round: (hasTime: () => boolean) => sealRound(deps, hasTime) }
}

type StartedNeeds = Pick<StartedDeps, 'statusFollower' | 'onAnswered'> & { onFatal: ProcessLife['fatal'] }

/** The planning documents' @ConditionalOnProperty: the started listener exists only while the toggle is on. */
export function startedConsumersOf(
  config: WorkerConfig,
  { kafka, promotions, logger, processorDeps: { metrics } }: GiftParts,
  { onFatal, ...needs }: StartedNeeds,
): TopicConsumer[] {
  if (!config.REDIS_STREAM_ENABLED) return []
  const consumer = new TopicConsumer({
    kafka: kafka(),
    groupId: startedGroupOf(config),
    topics: [config.KAFKA_TOPIC_STARTED],
    handleBatch: campaignPromotionStartedListener({
      promotions,
      metrics,
      retryer: retryerOf(logger),
      logger,
      ...needs,
    }),
    logger,
    onFatal,
    isPrivateGroup: true,
  })
  return [consumer]
}

const startedGroupOf = ({ KAFKA_GROUP_ID: prefix }: WorkerConfig) => `${prefix}-started-${hostname()}-${process.pid}`

/** The loops that must come round, and what each needs. */
export function workerLoopsOf(
  config: WorkerConfig,
  parts: GiftParts,
  loops: { pool: StreamPool; upkeep: Loop; retryWorker: Loop; started: readonly TopicConsumer[] },
): HealthLoop[] {
  const fresh = freshProbesOf(config, parts.logger)
  const pool: Loop = {
    name: 'stream-pool',
    get ageMs() {
      return loops.pool.ageMs
    },
  }
  const group = { groupId: startedGroupOf(config), topic: config.KAFKA_TOPIC_STARTED }
  return [
    { loop: pool, readyMs: POOL_READY_MS + config.REDIS_STREAM_POLL_INTERVAL_MS, needs: [fresh.streams] },
    { loop: loops.upkeep, readyMs: UPKEEP_READY_MS, needs: [fresh.database, fresh.streams] },
    { loop: loops.retryWorker, readyMs: RETRY_READY_MS, needs: [fresh.redis] },
    ...loops.started.map(consumer => consumerLoop(consumer, parts.kafka(), group)),
  ]
}
