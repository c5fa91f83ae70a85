import { Command, InvalidArgumentError, Option } from 'commander'
import { databaseOf, kafkaOf, retryRedisOf, streamConnectionOf } from '#bin/foundation.ts'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { type AuditConfig, auditSchema, type RedisConfig } from '#config/schemas.ts'
import { createMoneyCampaignChargeApi } from '#money/charge-api.ts'
import { HttpPool } from '#money/http.ts'
import { type AuditSources, audit } from '#promotion/audit/audit.ts'
import type { ChargeSource } from '#promotion/audit/charges.ts'
import { describeReport } from '#promotion/audit/report.ts'
import { createRetryJobs } from '#promotion/retry-jobs.ts'
import { pointQueue } from '#queues/point.queue.ts'
import { voucherQueue } from '#queues/voucher.queue.ts'
import { CodedError } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { parseId } from './create.ts'
import { print } from './output.ts'
import { createAuditProgress } from './progress.ts'

/** One statement of the audit may read every row, in ms. */
const STATEMENT_TIMEOUT_MS = 600_000
/** GETs a second when neither `--rate` nor `MONEY_API_RATE_LIMIT` says. */
const LOOKUPS_PER_SECOND = 500
const CONCURRENCY = 32
const EXIT_OFFENDERS = 3

interface AuditOptions {
  charges?: 'api'
  settlement?: string
  kafka: boolean
  redis: boolean
  rate?: number
  concurrency: number
  limit: number
  json?: boolean
}

export const auditCommand = new Command('audit')
  .description(
    'prove that messages, rows, entries, retry jobs, charges and counters say the same, or name what does not',
  )
  .argument('[ids...]', 'the promotions; none = all', (id: string, ids: string[] = []) => [...ids, parseId(id)])
  .addOption(new Option('--charges <source>', 'ask the Money API for every row, by its key').choices(['api']))
  .addOption(
    new Option(
      '--settlement <file>',
      'charges from a CSV or JSON-lines file (key, transactionKey, amount), - = stdin',
    ).conflicts('charges'),
  )
  .option('--no-kafka', 'leave the messages out')
  .option('--no-redis', 'leave stream entries and retry jobs out')
  .option('--rate <count>', 'most calls of the Money API a second', parseCount)
  .option('--concurrency <count>', 'calls of the Money API at once', parseCount, CONCURRENCY)
  .option('--limit <count>', 'most offenders that are listed; all are counted', parseCount, 100)
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    '\nExit codes: 0 all is accounted for, 3 offenders were found, 1 could not look, 2 wrong usage.',
  )
  .addHelpText('after', '\nExample:\n  promostream audit 42 --settlement charges.csv')
  .action(async (ids: string[], options: AuditOptions) => {
    const report = await runAudit(ids, options)
    print(options, report, () => describeReport(report))
    if (!report.ok) process.exitCode = report.offenders.length > 0 ? EXIT_OFFENDERS : 1
  })

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('it must be a whole number, 1 or more.')
  return Number(text)
}

async function runAudit(promotionIds: string[], options: AuditOptions) {
  const config = loadConfig(auditSchema, processEnvironment())
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await databaseOf({ ...config, DATABASE_TIMEOUT_MS: STATEMENT_TIMEOUT_MS }))
  await database.start()
  const kafka = options.kafka ? kafkaPartsOf(config) : undefined
  const redis = options.redis ? await redisPartsOf(config, stack) : undefined
  const charges = chargeSourceOf(config, options, stack)
  const sources: AuditSources = {
    kysely: database.kysely,
    promotionIds,
    sweepAgeMs: config.SWEEP_AGE_MS,
    limit: options.limit,
    progress: createAuditProgress(),
    ...(kafka === undefined ? {} : { kafka }),
    ...(redis === undefined ? {} : { redis }),
    ...(charges === undefined ? {} : { charges }),
  }
  return await audit(sources)
}

function kafkaPartsOf(config: AuditConfig): NonNullable<AuditSources['kafka']> {
  const brokers = config.KAFKA_BROKERS
  if (brokers === undefined)
    throw new CodedError('CONFIG', 'KAFKA_BROKERS is not set (--no-kafka leaves the messages out)')
  const group = config.KAFKA_GROUP_ID
  return {
    kafka: kafkaOf({ ...config, KAFKA_BROKERS: brokers }, createLogger('audit', 'silent')),
    topics: { VOUCHER: config.KAFKA_TOPIC_VOUCHER, POINT: config.KAFKA_TOPIC_POINT },
    invalidTopic: config.KAFKA_TOPIC_INVALID,
    groupIds: { VOUCHER: `${group}-voucher`, POINT: `${group}-point` },
  }
}

async function redisPartsOf(
  config: AuditConfig,
  stack: AsyncDisposableStack,
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
  // The policy is for jobs that are added; an audit adds none.
  const policy = { maxAttempts: 1, baseMs: 1, maxMs: 1 }
  return {
    connection: stream.connection,
    streams: { VOUCHER: voucherQueue, POINT: pointQueue },
    retryJobs: stack.use(createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy })),
    maxLen: config.REDIS_STREAM_MAX_LEN,
  }
}

function chargeSourceOf(
  config: AuditConfig,
  { charges, settlement, concurrency, rate }: AuditOptions,
  stack: AsyncDisposableStack,
): ChargeSource | undefined {
  if (settlement !== undefined) return { from: 'settlement', path: settlement }
  if (charges === undefined) return undefined
  if (config.MONEY_API_URL === undefined) throw new CodedError('CONFIG', 'MONEY_API_URL is not set')
  const http = new HttpPool({
    baseUrl: config.MONEY_API_URL,
    token: config.MONEY_API_TOKEN,
    timeoutMs: config.MONEY_API_TIMEOUT_MS,
    connections: concurrency,
  })
  const perSecond = rate ?? (config.MONEY_API_RATE_LIMIT || LOOKUPS_PER_SECOND)
  return { from: 'api', moneyApi: stack.use(createMoneyCampaignChargeApi({ http })), concurrency, perSecond }
}
