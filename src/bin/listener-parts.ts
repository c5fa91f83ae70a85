import { giftTopicsOf } from '#config/gift-topics.ts'
import type { ListenerConfig } from '#config/schemas.ts'
import { type BatchHandler, TopicConsumer } from '#kafka/topic-consumer.ts'
import { GIFT_LISTENERS } from '#listeners/campaign-listeners.ts'
import { createMessageConservation } from '#promotion/intake/conservation.ts'
import { createProcessors } from '#promotion/payment/processors.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import type { FreshProbe } from '#runtime/loop-watch.ts'
import type { ProcessLife } from '#runtime/process-life.ts'
import { service } from '#runtime/service.ts'
import { createWorkProgress, type WorkProgress } from '#runtime/work-progress.ts'
import { type GiftParts, retryerOf } from './gift-parts.ts'
import { consumerLoop, freshProbesOf, groupProbe, type HealthLoop } from './health.ts'

/** Longest time in which not one message of a batch is settled, in ms; a server that is away says so by itself. */
const BATCH_READY_MS = 30_000

/** What reads one topic, and how far its batch is. */
interface Listener {
  topic: string
  groupId: string
  consumer: TopicConsumer
  batches: WorkProgress
}

/** Two listeners a gift type, its gifts' and its retries'; `consumers` starts and stops all of them at once. */
export function listenersOf(config: ListenerConfig, parts: GiftParts, onFatal: ProcessLife['fatal']) {
  const { logger } = parts
  const handlers = handlersOf(config, parts)
  const listeners: Listener[] = handlers.map(({ topic, groupId, handlerOf }) => {
    const batches = createWorkProgress(`batches of ${topic}`)
    const handle = handlerOf(batches)
    const handleBatch: BatchHandler = (messages, signal) => batches.track(() => handle(messages, signal))
    const consumer = new TopicConsumer({ kafka: parts.kafka(), groupId, topics: [topic], handleBatch, logger, onFatal })
    return { topic, groupId, consumer, batches }
  })
  const consumers = service('consumers', {
    start: async () => void (await Promise.all(listeners.map(({ consumer }) => consumer.start()))),
    stop: async deadline => void (await Promise.all(listeners.map(({ consumer }) => consumer.stop(deadline)))),
  })
  return { listeners, consumers }
}

function handlersOf(config: ListenerConfig, parts: GiftParts) {
  const { processorDeps, logger } = parts
  const { invalidMessages } = processorDeps
  const conservation = createMessageConservation({ metrics: parts.metrics(), counters: processorDeps.metrics, logger })
  const shared = { invalidMessages, conservation, retryer: retryerOf(logger), logger }
  const processors = createProcessors(processorDeps)
  const retryJobs = parts.retryJobs()
  const topics = giftTopicsOf(config)
  return PROMOTION_TYPES.flatMap(type => {
    const [{ gifts, retries }, listeners] = [topics[type], GIFT_LISTENERS[type]]
    const giftHandler = (batches: WorkProgress) =>
      listeners.gifts({ ...shared, processor: processors[type], onProgress: batches.turned })
    return [
      { ...gifts, handlerOf: giftHandler },
      { ...retries, handlerOf: () => listeners.retries({ ...shared, retryJobs }) },
    ]
  })
}

/** Each consumer's polling, and its batches: one that takes long is no standstill while its messages are settled. */
export function listenerLoopsOf(
  config: ListenerConfig,
  parts: GiftParts,
  listeners: readonly Listener[],
): HealthLoop[] {
  const kafka = parts.kafka()
  const { database, redis, streams } = freshProbesOf(config, parts.logger)
  // The listener that pays by itself waits while calls are blocked.
  const moneyApi: FreshProbe = {
    name: 'money-api',
    probe: async () => {
      const { breaker, credentialsRefused, rateLimited } = parts.money().gate.status
      if (breaker !== 'closed' || credentialsRefused || rateLimited)
        throw new CodedError('BLOCKED', 'calls are blocked')
    },
  }
  return listeners.flatMap(({ consumer, batches, ...group }) => [
    consumerLoop(consumer, kafka, group),
    { loop: batches, readyMs: BATCH_READY_MS, needs: [database, redis, streams, groupProbe(kafka, group), moneyApi] },
  ])
}
