import { giftTopicsOf } from '#config/gift-topics.ts'
import type { ListenerConfig, WorkerConfig } from '#config/schemas.ts'
import { createSkippedRepository } from '#database/gifts/skipped.ts'
import { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import { exposeMoneyStatus } from '#promotion/metrics.ts'
import type { ProcessorDeps, ProcessorSettings } from '#promotion/payment/processor.ts'
import { byGiftType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'
import type { Service } from '#runtime/service.ts'
import { assertRedisUrls } from './connections.ts'
import { partsOf } from './parts.ts'

type GiftConfig = ListenerConfig | WorkerConfig

export type GiftParts = Awaited<ReturnType<typeof giftPartsOf>>

/** The parts of a process that handles gifts, and what its processors work with. */
export async function giftPartsOf(name: 'listener' | 'worker', config: GiftConfig, logger: Logger) {
  assertRedisUrls(config)
  // A listener calls the Money API only where the toggle says that it pays by itself.
  const pays = name === 'worker' || !config.REDIS_STREAM_ENABLED
  const parts = await partsOf(name, config, {
    logger,
    moneyConnections: config.WORKER_MAX_IN_FLIGHT,
    measuresCalls: true,
    watchesFailures: true,
    pays,
  })
  const money = parts.money()
  const processorDeps: ProcessorDeps = {
    results: parts.results,
    skipped: createSkippedRepository(parts.database.kysely),
    resultUpdateService: parts.resultUpdates(),
    promotionStatusCacheService: parts.statusCache(),
    eventProviderService: parts.events(),
    streamProducer: parts.producer(),
    streams: parts.streams,
    moneyCampaignChargeApi: money.chargeApi,
    canary: parts.canaryOf(money.chargeApi),
    invalidMessages: new InvalidMessageReporter(parts.events(), config.KAFKA_TOPIC_INVALID),
    metrics: parts.promotionMetrics(),
    logger,
    settings: processorSettingsOf(config),
  }
  const { gate } = money
  const callLimit = config.MONEY_API_ADAPTIVE ? () => gate.callLimit ?? 0 : undefined
  if (pays) exposeMoneyStatus(parts.metrics(), () => gate.status, callLimit)
  const payment: Service[] = pays ? [...money.services, parts.errorBudget().service] : []
  return { ...parts, processorDeps, payment }
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

/** The planning documents' rule for listeners: a handful of quick tries, then the batch waits. */
export function retryerOf(logger: Logger) {
  return createRetryer({
    maxRetries: 4,
    initialDelayMs: 100,
    maxDelayMs: 2000,
    onRetry: (error, attempt) => logger.debug({ err: error, attempt }, 'trying again'),
  })
}
