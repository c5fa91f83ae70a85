import type { Kysely } from 'kysely'
import { headerToken } from '#config/fields.ts'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { moneyTlsOf } from '#config/money-tls.ts'
import type { ListenerConfig, WorkerConfig } from '#config/schemas.ts'
import { findPaidGift, hasPaidGifts } from '#database/gifts/paid-gift.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createSkippedRepository } from '#database/gifts/skipped.ts'
import { createErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { idempotencyKey } from '#money/charge.ts'
import { type ChargeApiOptions, createMoneyCampaignChargeApi, lookupPath } from '#money/charge-api.ts'
import { MoneyGate } from '#money/gate.ts'
import { HttpPool } from '#money/http.ts'
import { createTokenFile } from '#money/token-file.ts'
import { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createPromotionMetrics, exposeMoneyStatus } from '#promotion/metrics.ts'
import { ErrorBudget } from '#promotion/payment/error-budget.ts'
import type { ProcessorDeps, ProcessorSettings } from '#promotion/payment/processor.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { CampaignPromotionStatusCacheService } from '#promotion/payment/status-cache.ts'
import { byGiftType } from '#queues/gift-types.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import type { Logger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { createFailFastRedisClient } from '#runtime/redis.ts'
import { createRetryer } from '#runtime/retryer.ts'
import { type Service, service } from '#runtime/service.ts'
import { assertRedisUrls, databaseOf, kafkaOf, streamConnectionOf } from './connections.ts'

/** From settings to the parts that more than one process is made of; the roots put them together. */

type GiftConfig = ListenerConfig | WorkerConfig
type RetryConfig = Pick<GiftConfig, 'RETRY_MAX_ATTEMPTS' | 'RETRY_BACKOFF_BASE_MS' | 'RETRY_BACKOFF_MAX_MS'>

/** The team rule for listeners (planning documents, phase 5): a handful of quick tries, then the batch waits. */
export function retryerOf(logger: Logger) {
  return createRetryer({
    maxRetries: 4,
    initialDelayMs: 100,
    maxDelayMs: 2000,
    onRetry: (error, attempt) => logger.debug({ err: error, attempt }, 'trying again'),
  })
}

export function retryPolicyOf(config: RetryConfig) {
  return {
    maxAttempts: config.RETRY_MAX_ATTEMPTS,
    baseMs: config.RETRY_BACKOFF_BASE_MS,
    maxMs: config.RETRY_BACKOFF_MAX_MS,
  }
}

type MoneySettings = Pick<
  GiftConfig,
  | 'MONEY_API_URL'
  | 'MONEY_API_TOKEN'
  | 'MONEY_API_TOKEN_FILE'
  | 'MONEY_API_CA_FILE'
  | 'MONEY_API_CERT_FILE'
  | 'MONEY_API_KEY_FILE'
  | 'MONEY_API_TIMEOUT_MS'
  | 'MONEY_API_RATE_LIMIT'
  | 'WORKER_MAX_IN_FLIGHT'
  | 'REDIS_URL'
  | 'REDIS_CLUSTER'
  | 'REDIS_KEY_PREFIX'
>

/**
 * The Money API, the gate before it, and the connection by which all instances agree on it; `services` in the order
 * they start. Whoever calls it goes through the gate: the limit is one for all.
 */
export function moneyPartsOf(
  config: MoneySettings,
  logger: Logger,
  {
    onExchange,
    tellsRefusals = true,
    kysely,
  }: {
    onExchange?: ChargeApiOptions['onExchange']
    tellsRefusals?: boolean
    /** Where a paid gift is looked for, whose GET tells the Money API from a gateway. */
    kysely?: Kysely<unknown>
  } = {},
) {
  const http = new HttpPool({
    // Without the toggle's direct way a listener never calls it.
    baseUrl: config.MONEY_API_URL ?? 'http://127.0.0.1:9',
    token: config.MONEY_API_TOKEN,
    timeoutMs: config.MONEY_API_TIMEOUT_MS,
    connections: config.WORKER_MAX_IN_FLIGHT,
    tls: moneyTlsOf(config),
  })
  const cache = createFailFastRedisClient({
    url: config.REDIS_URL,
    cluster: config.REDIS_CLUSTER,
    keyPrefix: config.REDIS_KEY_PREFIX,
    logger,
  })
  const gate = new MoneyGate({
    http,
    redis: cache,
    rateLimit: config.MONEY_API_RATE_LIMIT,
    probePath: lookupPath,
    maxInFlight: config.WORKER_MAX_IN_FLIGHT,
    ...(kysely === undefined ? {} : { findPaid: () => findPaidKey(kysely), hasPaid: () => hasPaidGifts(kysely) }),
    tellsRefusals,
    logger,
  })
  const moneyCampaignChargeApi = createMoneyCampaignChargeApi({
    gate,
    ...(onExchange === undefined ? {} : { onExchange }),
  })
  const services: Service[] = [
    // It goes on trying by itself; `redis` says when there is none at all.
    service('cache', { start: () => cache.connect().catch(() => undefined), stop: async () => cache.disconnect() }),
    service('money-api', { start: async () => undefined, stop: () => http.close() }),
    ...tokenFilesOf(config, http, logger),
    gate.service,
  ]
  return { cache, gate, moneyCampaignChargeApi, services }
}

/** A token that came from a file may be another one tomorrow. */
function tokenFilesOf(config: MoneySettings, http: HttpPool, logger: Logger): Service[] {
  const { MONEY_API_TOKEN: token, MONEY_API_TOKEN_FILE: path } = config
  if (path === undefined) return []
  const complaintOf = (next: string) => headerToken.safeParse(next).error?.issues[0]?.message
  return [createTokenFile({ path, token, complaintOf, onToken: next => http.setToken(next), logger })]
}

async function findPaidKey(kysely: Kysely<unknown>): Promise<string | undefined> {
  const gift = await findPaidGift(kysely)
  return gift === undefined ? undefined : idempotencyKey(gift)
}

function processorSettingsOf(config: GiftConfig): ProcessorSettings {
  const topics = giftTopicsOf(config)
  return {
    streamEnabled: config.REDIS_STREAM_ENABLED,
    maxAttempts: config.RETRY_MAX_ATTEMPTS,
    keyTtlMs: config.MONEY_API_KEY_TTL_MS,
    retryTopics: byGiftType(type => topics[type].retries.topic),
  }
}

/** Everything a processor needs, and the services behind it in the order they start. */
export async function foundationOf(name: string, config: GiftConfig, logger: Logger) {
  assertRedisUrls(config)
  const metrics = createMetrics(name)
  const promotionMetrics = createPromotionMetrics(metrics)
  const database = await databaseOf(config)
  const kafka = kafkaOf(config, logger)
  const eventProviderService = createEventProvider(kafka)
  const stream = streamConnectionOf(config, logger)
  const money = moneyPartsOf(config, logger, {
    onExchange: (method, meaning, seconds) => promotionMetrics.moneyCalls.observe({ method, meaning }, seconds),
    kysely: database.kysely,
  })
  const promotions = createPromotionRepository(database.kysely)
  const results = createGiftResultRepositories(database.kysely, { maxAmount: config.GIFT_MAX_AMOUNT })
  const streamProducer = new PromotionStreamProducer({
    connection: stream.connection,
    maxLen: config.REDIS_STREAM_MAX_LEN,
    logger,
  })
  const promotionStatusCacheService = new CampaignPromotionStatusCacheService(promotions)
  const errorBudget = new ErrorBudget({
    repository: createErrorBudgetRepository(database.kysely),
    maxShare: config.PROMOTION_MAX_FAILED_SHARE,
    onPaused: promotionId => promotionStatusCacheService.forget(promotionId),
    logger,
  })
  const processorDeps: ProcessorDeps = {
    results,
    skipped: createSkippedRepository(database.kysely),
    resultUpdateService: new CampaignPromotionResultUpdateService({
      results,
      metrics: promotionMetrics,
      logger,
      onEnded: (promotionId, isFailed) => errorBudget.add(promotionId, isFailed),
    }),
    promotionStatusCacheService,
    eventProviderService,
    streamProducer,
    streams: promotionStreams(config.REDIS_KEY_PREFIX),
    moneyCampaignChargeApi: money.moneyCampaignChargeApi,
    invalidMessages: new InvalidMessageReporter(eventProviderService, config.KAFKA_TOPIC_INVALID),
    metrics: promotionMetrics,
    logger,
    settings: processorSettingsOf(config),
  }
  const paysItself = name === 'worker' || !config.REDIS_STREAM_ENABLED
  if (paysItself) exposeMoneyStatus(metrics, () => money.gate.status)
  const services: Service[] = [
    database,
    stream.service,
    ...(paysItself ? [...money.services, errorBudget.service] : []),
    eventProviderService,
  ]
  return { metrics, database, kafka, stream, money, promotions, streamProducer, processorDeps, services }
}

export type Foundation = Awaited<ReturnType<typeof foundationOf>>
