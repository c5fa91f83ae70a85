import type { Kysely } from 'kysely'
import { headerToken } from '#config/fields.ts'
import type { CliConfig, RedisConfig } from '#config/schemas.ts'
import { tlsOf } from '#config/tls-files.ts'
import { findPaidGift, hasPaidGifts } from '#database/gifts/paid-gift.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createCanaryRepository } from '#database/promotions/canary.ts'
import { createErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { idempotencyKey } from '#money/charge.ts'
import { type ChargeApiOptions, createMoneyCampaignChargeApi, type MoneyCampaignChargeApi } from '#money/charge-api.ts'
import { lookupPath } from '#money/charge-calls.ts'
import { MoneyGate } from '#money/gate.ts'
import { HttpPool } from '#money/http.ts'
import type { MoneyStatus } from '#money/status.ts'
import { createTokenFile } from '#money/token-file.ts'
import { PromotionCalls } from '#promotion/consumers/promotion-calls.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import type { OperationsDeps } from '#promotion/operations.ts'
import { Canary } from '#promotion/payment/canary.ts'
import { ErrorBudget } from '#promotion/payment/error-budget.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import { CampaignPromotionStatusCacheService } from '#promotion/payment/status-cache.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { CodedError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { createFailFastRedisClient } from '#runtime/redis.ts'
import { type Service, service } from '#runtime/service.ts'
import { databaseOf, kafkaOf, redisAddressOf, redisOwnerOf, retryRedisOf, streamConnectionOf } from './connections.ts'
import type { RedisRole } from './redis-rights.ts'

export interface PartsOptions {
  logger: Logger
  /** Connections to the Money API at most: as many as calls may be in flight. */
  moneyConnections: number
  /** A command of the CLI asks beside the processes: what it is refused is its own affair. Default true. */
  tellsRefusals?: boolean
  /** Counts and times the calls of the Money API. Default false. */
  measuresCalls?: boolean
  /** What pays gifts counts how they end: too many failures pause their promotion. Default false. */
  watchesFailures?: boolean
  /** For who cannot wait for a Redis that is away, in ms. */
  redisCommandTimeoutMs?: number
  /** Calls the Money API, or looks at how that goes. Default true. */
  pays?: boolean
}

export type Parts = Awaited<ReturnType<typeof partsOf>>

/** From settings to parts, for processes and CLI alike: each is made when it is first asked for, once, and not started. */
export async function partsOf(role: RedisRole, config: CliConfig, options: PartsOptions) {
  const { logger, redisCommandTimeoutMs: commandTimeoutMs, pays = true } = options
  const user = { role, pays }
  const database = await databaseOf(config)
  const { kysely } = database
  const promotions = createPromotionRepository(kysely)
  const results = createGiftResultRepositories(kysely, { maxAmount: config.GIFT_MAX_AMOUNT })
  const metrics = once(() => createMetrics(role))
  const promotionMetrics = once(() => createPromotionMetrics(metrics()))
  const kafka = once(() => kafkaOf({ ...config, KAFKA_BROKERS: needed(config, 'KAFKA_BROKERS') }, logger))
  const stream = once(() => streamConnectionOf(redisConfigOf(config), logger, user))
  const redis = once(() => retryRedisOf(redisConfigOf(config), logger, { commandTimeoutMs, user }))
  const statusCache = once(() => new CampaignPromotionStatusCacheService(promotions))
  const errorBudget = once(() => errorBudgetOf(config, kysely, statusCache(), logger))
  const canaryOf = (api: MoneyCampaignChargeApi) =>
    newCanary(config, api, { kysely, statusCache: statusCache(), logger })
  return {
    database,
    promotions,
    results,
    streams: promotionStreams(config.REDIS_KEY_PREFIX),
    logger,
    metrics,
    promotionMetrics,
    kafka,
    events: once(() => createEventProvider(kafka())),
    stream,
    redis,
    statusCache,
    errorBudget,
    canaryOf,
    producer: once(() => {
      const { connection } = stream()
      return new PromotionStreamProducer({ connection, maxLen: config.REDIS_STREAM_MAX_LEN, logger })
    }),
    retryJobs: once(() =>
      createRetryJobs({ connection: redis().client, prefix: redis().prefix, policy: retryPolicyOf(config) }),
    ),
    resultUpdates: once(() => {
      const onEnded = (promotionId: string, isFailed: boolean) => errorBudget().add(promotionId, isFailed)
      return new CampaignPromotionResultUpdateService({
        results,
        metrics: promotionMetrics(),
        logger,
        ...(options.watchesFailures === true ? { onEnded } : {}),
      })
    }),
    money: once(() => {
      const onExchange: ChargeApiOptions['onExchange'] = (method, meaning, seconds) =>
        promotionMetrics().moneyCalls.observe({ method, meaning }, seconds)
      const measured = options.measuresCalls === true ? { ...options, onExchange } : options
      return moneyOf({ ...config, ...redisConfigOf(config) }, kysely, measured)
    }),
    /** Starts after database and Redis, before anything writes to either. */
    redisOwner: (fatal: (error: Error) => void) =>
      redisOwnerOf(role, redisConfigOf(config), { database, redis: redis(), stream: stream(), logger, fatal }),
  }
}

/** Pauses a promotion of which too many gifts fail. */
function errorBudgetOf(
  config: CliConfig,
  kysely: Kysely<unknown>,
  statusCache: CampaignPromotionStatusCacheService,
  logger: Logger,
): ErrorBudget {
  return new ErrorBudget({
    repository: createErrorBudgetRepository(kysely),
    maxShare: config.PROMOTION_MAX_FAILED_SHARE,
    onPaused: promotionId => statusCache.forget(promotionId),
    logger,
  })
}

/** Undefined: no gifts are confirmed before the others. */
function newCanary(
  { PROMOTION_CANARY_GIFTS: gifts }: CliConfig,
  moneyCampaignChargeApi: MoneyCampaignChargeApi,
  deps: { kysely: Kysely<unknown>; statusCache: CampaignPromotionStatusCacheService; logger: Logger },
): Canary | undefined {
  if (gifts === 0) return undefined
  const { kysely, statusCache, logger } = deps
  const promotions = createErrorBudgetRepository(kysely)
  const pause = async (promotionId: string, reason: string) => {
    await promotions.pause(promotionId, reason)
    statusCache.forget(promotionId)
  }
  return new Canary({ repository: createCanaryRepository(kysely), moneyCampaignChargeApi, gifts, pause, logger })
}

/** What an operation needs beyond the database. */
export type OperationNeed = 'stream' | 'retry-jobs' | 'money'

/** For what people do to promotions; what they do not need is not made. */
export function operationPartsOf(
  parts: Parts,
  needs: readonly OperationNeed[],
  events?: OperationsDeps['events'],
): OperationsDeps {
  const { database, promotions, streams, logger } = parts
  return {
    kysely: database.kysely,
    promotions,
    streams,
    logger,
    ...(events === undefined ? {} : { events }),
    ...(needs.includes('stream') ? { producer: parts.producer() } : {}),
    ...(needs.includes('retry-jobs') ? { retryJobs: parts.retryJobs() } : {}),
    ...(needs.includes('money')
      ? { money: { moneyApi: parts.money().chargeApi, resultUpdateService: parts.resultUpdates() } }
      : {}),
  }
}

export function retryPolicyOf(
  config: Pick<CliConfig, 'RETRY_MAX_ATTEMPTS' | 'RETRY_BACKOFF_BASE_MS' | 'RETRY_BACKOFF_MAX_MS'>,
) {
  return {
    maxAttempts: config.RETRY_MAX_ATTEMPTS,
    baseMs: config.RETRY_BACKOFF_BASE_MS,
    maxMs: config.RETRY_BACKOFF_MAX_MS,
  }
}

/** Where a process that never calls the Money API was not told its address. */
const NOWHERE = 'http://127.0.0.1:9'

/**
 * The Money API, the gate before it, and the connection by which all instances agree on it; `services` in the order
 * they start. Whoever calls it goes through the gate: the limit is one for all.
 */
export function moneyOf(
  config: CliConfig & RedisConfig,
  kysely: Kysely<unknown>,
  options: PartsOptions & Pick<ChargeApiOptions, 'onExchange'>,
) {
  const { logger, moneyConnections, onExchange, tellsRefusals = true } = options
  const http = new HttpPool({
    baseUrl: config.MONEY_API_URL ?? NOWHERE,
    token: config.MONEY_API_TOKEN,
    timeoutMs: config.MONEY_API_TIMEOUT_MS,
    connections: moneyConnections,
    tls: tlsOf('MONEY_API', config),
  })
  const cache = createFailFastRedisClient({ ...redisAddressOf(config), keyPrefix: config.REDIS_KEY_PREFIX, logger })
  const gate = new MoneyGate({
    http,
    redis: cache,
    rateLimit: config.MONEY_API_RATE_LIMIT,
    probePath: lookupPath,
    maxInFlight: moneyConnections,
    isAdaptive: config.MONEY_API_ADAPTIVE,
    // A paid gift, whose GET tells the Money API from a gateway.
    findPaid: () => findPaidKey(kysely),
    hasPaid: () => hasPaidGifts(kysely),
    tellsRefusals,
    logger,
  })
  const calls = new PromotionCalls()
  const chargeApi = createMoneyCampaignChargeApi({
    gate,
    onExchange: (...exchange) => {
      calls.add(...exchange)
      onExchange?.(...exchange)
    },
  })
  const status = (): MoneyStatus => ({ ...gate.status, recentCalls: calls.summary() })
  const services: Service[] = [
    // It goes on trying by itself; `redis` says when there is none at all.
    service('cache', { start: () => cache.connect().catch(() => undefined), stop: async () => cache.disconnect() }),
    service('money-api', { start: async () => undefined, stop: () => http.close() }),
    ...tokenFilesOf(config, http, logger),
    gate.service,
  ]
  return { cache, gate, chargeApi, status, calls, services }
}

/** A token that came from a file may be another one tomorrow. */
function tokenFilesOf(config: CliConfig, http: HttpPool, logger: Logger): Service[] {
  const { MONEY_API_TOKEN: token, MONEY_API_TOKEN_FILE: path } = config
  if (path === undefined) return []
  const complaintOf = (next: string) => headerToken.safeParse(next).error?.issues[0]?.message
  return [createTokenFile({ path, token, complaintOf, onToken: next => http.setToken(next), logger })]
}

async function findPaidKey(kysely: Kysely<unknown>): Promise<string | undefined> {
  const gift = await findPaidGift(kysely)
  return gift === undefined ? undefined : idempotencyKey(gift)
}

const redisConfigOf = (config: CliConfig): RedisConfig => ({ ...config, REDIS_URL: needed(config, 'REDIS_URL') })

function needed<Name extends 'KAFKA_BROKERS' | 'REDIS_URL'>(config: CliConfig, name: Name) {
  const value = config[name]
  if (value === undefined) throw new CodedError('CONFIG', `${name} is not set`)
  return value
}

function once<T>(make: () => T): () => T {
  let made: { part: T } | undefined
  return () => {
    made ??= { part: make() }
    return made.part
  }
}
