import { databaseOf, kafkaOf, ownedRedis, retryRedisOf, streamConnectionOf } from '#bin/connections.ts'
import { processEnvironment } from '#config/environment.ts'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { loadConfig } from '#config/load.ts'
import { type CliConfig, cliSchema, type RedisConfig } from '#config/schemas.ts'
import { recordAuditRun } from '#database/audit-runs.ts'
import type { Database } from '#database/database.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createSkippedRepository } from '#database/gifts/skipped.ts'
import { createProcessRepository } from '#database/processes.ts'
import { type AuditSources, audit } from '#promotion/audit/audit.ts'
import type { ChargeSource } from '#promotion/audit/charges.ts'
import { createRepair } from '#promotion/audit/messages/repair.ts'
import type { AuditReport } from '#promotion/audit/report.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { assertNoStranger } from '#promotion/redis-owner.ts'
import { byGiftType } from '#queues/gift-types.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { CodedError } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { whoAmI, withChange } from './change.ts'
import { createProgress } from './progress.ts'

export { describeReport } from '#promotion/audit/report.ts'

/** One statement of the audit may read every row, in ms. */
const STATEMENT_TIMEOUT_MS = 600_000
/** GETs a second when `--rate` does not say; `MONEY_API_RATE_LIMIT` holds over all instances, this one included. */
const LOOKUPS_PER_SECOND = 500

export interface AuditOptions {
  charges?: 'api'
  settlement?: string
  kafka: boolean
  redis: boolean
  repair?: boolean
  record?: boolean
  rate?: number
  concurrency: number
  limit: number
  json?: boolean
}

export async function runAudit(promotionIds: string[], options: AuditOptions) {
  const config = loadConfig(cliSchema, processEnvironment())
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await databaseOf({ ...config, DATABASE_TIMEOUT_MS: STATEMENT_TIMEOUT_MS }))
  await database.start()
  const kafka = options.kafka ? kafkaPartsOf(config) : undefined
  const redis = options.redis ? await redisPartsOf(config, stack, database) : undefined
  const charges = await chargeSourceOf(config, options, stack, database)
  const sources: AuditSources = {
    kysely: database.kysely,
    promotionIds,
    sweepAgeMs: config.SWEEP_AGE_MS,
    limit: options.limit,
    progress: createProgress(),
    ...(kafka === undefined
      ? {}
      : { kafka: { ...kafka, ...(options.repair === true ? { repair: repairOf(config, database) } : {}) } }),
    ...(redis === undefined ? {} : { redis }),
    ...(charges === undefined ? {} : { charges }),
  }
  const target = promotionIds.join(' ') || 'all'
  const report =
    options.repair === true
      ? await withChange(database.kysely, { what: 'audit.repair', target }, () => audit(sources))
      : await audit(sources)
  if (options.record === true) await record(database, target, report, charges?.from)
  return report
}

async function record(
  { kysely }: Database,
  target: string,
  report: AuditReport,
  charges: ChargeSource['from'] | undefined,
) {
  const { ok, unanswered, counts } = report
  const discrepancies = Object.values(counts).reduce((sum, count) => sum + count, 0)
  await recordAuditRun(kysely, { who: whoAmI(), target, charges: charges ?? 'none', ok, discrepancies, unanswered })
}

function repairOf(config: CliConfig, { kysely }: Database) {
  const results = createGiftResultRepositories(kysely, { maxAmount: config.GIFT_MAX_AMOUNT })
  return createRepair(results, createSkippedRepository(kysely))
}

function kafkaPartsOf(config: CliConfig): NonNullable<AuditSources['kafka']> {
  const brokers = config.KAFKA_BROKERS
  if (brokers === undefined)
    throw new CodedError('CONFIG', 'KAFKA_BROKERS is not set (--no-kafka leaves the messages out)')
  const topics = giftTopicsOf(config)
  return {
    kafka: kafkaOf({ ...config, KAFKA_BROKERS: brokers }, createLogger('audit', 'silent')),
    topics: byGiftType(type => topics[type].gifts.topic),
    groupIds: byGiftType(type => topics[type].gifts.groupId),
    invalidTopic: config.KAFKA_TOPIC_INVALID,
  }
}

async function redisPartsOf(
  config: CliConfig,
  stack: AsyncDisposableStack,
  database: Database,
): Promise<NonNullable<AuditSources['redis']>> {
  const url = config.REDIS_URL
  if (url === undefined)
    throw new CodedError('CONFIG', 'REDIS_URL is not set (--no-redis leaves entries and retry jobs out)')
  const redisConfig: RedisConfig = { ...config, REDIS_URL: url }
  const logger = createLogger('audit', 'silent')
  const stream = streamConnectionOf(redisConfig, logger)
  stack.use(stream.service)
  await stream.service.start()
  const redis = retryRedisOf(redisConfig, logger)
  stack.use(redis.service)
  await redis.service.start()
  const processes = createProcessRepository(database.kysely)
  const owned = { processes, redis: ownedRedis(redisConfig, redis, stream), keyPrefix: config.REDIS_KEY_PREFIX }
  await assertNoStranger(owned, await processes.identity())
  // BullMQ costs memory, and only RETRYING rows need it. The policy is for jobs that are added; an audit adds none.
  const policy = { maxAttempts: 1, baseMs: 1, maxMs: 1 }
  let opened: Promise<RetryJobs> | undefined
  const retryJobs = () => {
    opened ??= import('#promotion/payment/retry-jobs.ts').then(({ createRetryJobs }) =>
      stack.use(createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy })),
    )
    return opened
  }
  return {
    connection: stream.connection,
    streams: promotionStreams(config.REDIS_KEY_PREFIX),
    retryJobs: { findLive: async (...gifts) => (await retryJobs()).findLive(...gifts) },
    maxLen: config.REDIS_STREAM_MAX_LEN,
  }
}

async function chargeSourceOf(
  config: CliConfig,
  { charges, settlement, concurrency, rate }: AuditOptions,
  stack: AsyncDisposableStack,
  database: Database,
): Promise<ChargeSource | undefined> {
  if (settlement !== undefined) return { from: 'settlement', path: settlement }
  if (charges === undefined) return undefined
  const { MONEY_API_URL: moneyUrl, REDIS_URL: redisUrl } = config
  if (moneyUrl === undefined) throw new CodedError('CONFIG', 'MONEY_API_URL is not set')
  if (redisUrl === undefined)
    throw new CodedError('CONFIG', 'REDIS_URL is not set: calls of the Money API go through the gate of all instances')
  // What pays gifts costs memory, and only this way of asking needs it.
  const { moneyOf } = await import('#bin/parts.ts')
  const options = { logger: createLogger('audit', 'silent'), moneyConnections: concurrency, tellsRefusals: false }
  const { chargeApi: moneyApi, services } = moneyOf({ ...config, REDIS_URL: redisUrl }, database.kysely, options)
  for (const each of services) await stack.use(each).start()
  return { from: 'api', moneyApi, concurrency, perSecond: rate ?? LOOKUPS_PER_SECOND }
}
