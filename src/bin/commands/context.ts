import { databaseOf, kafkaOf, retryRedisOf, streamConnectionOf, streamSettingOf } from '#bin/connections.ts'
import { moneyPartsOf, retryPolicyOf } from '#bin/foundation.ts'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { type CliConfig, cliSchema, type RedisConfig } from '#config/schemas.ts'
import type { Database } from '#database/database.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createProcessRepository } from '#database/processes.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import type { KafkaClient } from '#kafka/client.ts'
import { createEventProvider, type EventProviderService } from '#kafka/event-provider.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import { createSteering, type Steering, type SteeringDeps } from '#promotion/operations.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import { assertOwnRedis, type OwnedRedis } from '#promotion/redis-owner.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { errorLine } from '#runtime/errors.ts'
import { createLogger, type Logger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { type Change, withChange } from './change.ts'

/** As many as reconciliation asks at once. */
const MONEY_CONNECTIONS = 8

/** What a command works with. */
export interface CommandContext {
  config: CliConfig
  database: Database
  promotions: PromotionRepository
}

/** Runs a command on an open database, and closes it again. */
export async function withDatabase<T>(work: (context: CommandContext) => Promise<T>): Promise<T> {
  const config = loadConfig(cliSchema, processEnvironment())
  const database = await databaseOf(config)
  try {
    await database.start()
    return await work({ config, database, promotions: createPromotionRepository(database.kysely) })
  } finally {
    await database.stop()
  }
}

/** What an operation needs beyond the database. What is not asked for is not connected to. */
export type SteeringNeed = 'stream' | 'retry-jobs' | 'money'

/** Runs changes on steering operations, with what they need of the servers that the settings name. */
export function withSteering<T>(
  needs: readonly SteeringNeed[],
  work: (steering: Steering, context: CommandContext) => Promise<T>,
): Promise<T> {
  return withDatabase(async context => {
    await using parts = new AsyncDisposableStack()
    const steering = createSteering(await steeringDepsOf(context, needs, parts))
    return await work(steering, context)
  })
}

/** One change of one promotion, with its row in the activity log. */
export function steerOne<T>(
  needs: readonly SteeringNeed[],
  change: Change,
  work: (steering: Steering, context: CommandContext) => Promise<T>,
): Promise<T> {
  return withSteering(needs, (steering, context) =>
    withChange(context.database.kysely, change, () => work(steering, context)),
  )
}

async function steeringDepsOf(
  { config, database, promotions }: CommandContext,
  needs: readonly SteeringNeed[],
  parts: AsyncDisposableStack,
): Promise<SteeringDeps> {
  const logger = createLogger('cli', 'silent')
  const deps: SteeringDeps = {
    kysely: database.kysely,
    promotions,
    streams: promotionStreams(config.REDIS_KEY_PREFIX),
    logger,
  }
  const { KAFKA_BROKERS: brokers, REDIS_URL: redisUrl } = config
  if (brokers !== undefined) {
    const kafka = kafkaOf({ ...config, KAFKA_BROKERS: brokers }, logger)
    deps.events = { provider: lazyProvider(kafka, parts), startedTopic: config.KAFKA_TOPIC_STARTED }
  }
  if (redisUrl !== undefined) {
    const redis = { ...config, REDIS_URL: redisUrl }
    const owned: OwnedRedis[] = []
    if (needs.includes('stream')) deps.producer = await producerOf(redis, logger, parts, owned)
    if (needs.includes('retry-jobs')) deps.retryJobs = await retryJobsOf(redis, logger, parts, owned)
    const processes = createProcessRepository(database.kysely)
    const owner = { processes, redis: owned, keyPrefix: config.REDIS_KEY_PREFIX }
    if (owned.length > 0) await assertOwnRedis(owner, await processes.identity())
    if (needs.includes('money') && config.MONEY_API_URL !== undefined) {
      const moneyApi = await moneyApiOf(redis, logger, parts, database)
      deps.money = { moneyApi, resultUpdateService: resultUpdatesOf(database, logger) }
    }
  }
  return deps
}

/**
 * Connects when something is published: most operations publish nothing. A Kafka that is away takes nothing back: the
 * change stands in the database.
 */
function lazyProvider(kafka: KafkaClient, parts: AsyncDisposableStack): Pick<EventProviderService, 'publish'> {
  return {
    publish: async event => {
      try {
        const provider = parts.use(createEventProvider(kafka))
        await provider.start()
        await provider.publish(event)
      } catch (error) {
        process.stderr.write(
          `promostream: started event not published: ${errorLine(error)}; instances find the start by themselves, within two seconds\n`,
        )
      }
    },
  }
}

type CliRedisConfig = CliConfig & RedisConfig

async function producerOf(config: CliRedisConfig, logger: Logger, parts: AsyncDisposableStack, owned: OwnedRedis[]) {
  const { connection, service } = streamConnectionOf(config, logger)
  parts.use(service)
  await service.start()
  owned.push({ variable: streamSettingOf(config), client: connection.client })
  return new PromotionStreamProducer({ connection, maxLen: config.REDIS_STREAM_MAX_LEN })
}

async function retryJobsOf(config: CliRedisConfig, logger: Logger, parts: AsyncDisposableStack, owned: OwnedRedis[]) {
  const redis = retryRedisOf(config, logger)
  parts.use(redis.service)
  await redis.service.start()
  owned.push({ variable: 'REDIS_URL', client: redis.client })
  return parts.use(createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy: retryPolicyOf(config) }))
}

/** Through the gate that all instances share: its calls count against the one rate limit. */
async function moneyApiOf(config: CliRedisConfig, logger: Logger, parts: AsyncDisposableStack, database: Database) {
  const { moneyCampaignChargeApi, services } = moneyPartsOf(
    { ...config, WORKER_MAX_IN_FLIGHT: MONEY_CONNECTIONS },
    logger,
    { tellsRefusals: false, kysely: database.kysely },
  )
  for (const each of services) await parts.use(each).start()
  return moneyCampaignChargeApi
}

function resultUpdatesOf(database: Database, logger: Logger) {
  const results = createGiftResultRepositories(database.kysely)
  return new CampaignPromotionResultUpdateService({
    results,
    metrics: createPromotionMetrics(createMetrics('cli')),
    logger,
  })
}
