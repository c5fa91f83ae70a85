import '#runtime/node-version.cjs'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { type ListenerConfig, listenerSchema } from '#config/schemas.ts'
import { type BatchHandler, TopicConsumer } from '#kafka/topic-consumer.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { GIFT_LISTENERS } from '#listeners/campaign-listeners.ts'
import { createMessageConservation } from '#promotion/intake/conservation.ts'
import type { AbstractCampaignPromotionProcessor } from '#promotion/payment/processor.ts'
import { createProcessors } from '#promotion/payment/processors.ts'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { FreshProbe } from '#runtime/loop-watch.ts'
import { service } from '#runtime/service.ts'
import { createWorkProgress, type WorkProgress } from '#runtime/work-progress.ts'
import { redisOwnerOf, retryRedisOf } from './connections.ts'
import { type Foundation, foundationOf, retryerOf, retryPolicyOf } from './foundation.ts'
import { consumerLoop, freshProbesOf, giftHealthOf, groupProbe, type HealthLoop } from './health.ts'
import { runProcess } from './run-process.ts'

/** Longest time in which not one message of a batch is settled, in ms; a server that is away says so by itself. */
const BATCH_READY_MS = 30_000

/** Kafka → result row → stream. Scales with Kafka partitions. */
await runProcess('listener', listenerSchema, async (config, { logger, fatal, assertStarted }) => {
  const foundation = await foundationOf('listener', config, logger)
  const { metrics, database, kafka, money, processorDeps, services } = foundation
  const redis = retryRedisOf(config, logger)
  const owner = redisOwnerOf('listener', config, { database, redis, stream: foundation.stream, logger, fatal })
  const retryJobs = createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy: retryPolicyOf(config) })

  const retryer = retryerOf(logger)
  const { invalidMessages } = processorDeps
  const conservation = createMessageConservation({ metrics, counters: processorDeps.metrics, logger })
  const shared = { invalidMessages, conservation, retryer, logger }
  const processors = createProcessors(processorDeps)
  const giftTopics = giftTopicsOf(config)
  const read = PROMOTION_TYPES.flatMap(type => {
    const [{ gifts, retries }, listeners] = [giftTopics[type], GIFT_LISTENERS[type]]
    const giftHandler = (batches: WorkProgress) =>
      listeners.gifts({ ...shared, processor: telling(batches, processors[type]) })
    return [
      { ...gifts, handlerOf: giftHandler },
      { ...retries, handlerOf: () => listeners.retries({ ...shared, retryJobs }) },
    ]
  })
  const listeners = read.map(({ topic, groupId, handlerOf }) => {
    const batches = createWorkProgress(`batches of ${topic}`)
    const handle = handlerOf(batches)
    const handleBatch: BatchHandler = (messages, signal) => batches.track(() => handle(messages, signal))
    const consumer = new TopicConsumer({ kafka, groupId, topics: [topic], handleBatch, logger, onFatal: fatal })
    return { consumer, batches, groupId, topic }
  })
  const consumers = listeners.map(({ consumer }) => consumer)
  const topics = [...read.map(({ topic }) => topic), config.KAFKA_TOPIC_INVALID]
  const topicsReady = service('topics', {
    start: () => ensureTopics(kafka, topics, config.KAFKA_TOPIC_PARTITIONS),
    stop: async () => undefined,
  })
  const joined = service('consumers', {
    start: async () => void (await Promise.all(consumers.map(consumer => consumer.start()))),
    stop: async deadline => void (await Promise.all(consumers.map(consumer => consumer.stop(deadline)))),
  })
  const health = giftHealthOf(foundation, {
    ...{ config, logger, fatal, assertStarted },
    redis: redis.client,
    loops: loopsOf(config, foundation, listeners, logger),
    port: config.LISTENER_PORT,
    portSetting: 'LISTENER_PORT',
  })
  const own = [owner, retryJobs, topicsReady, joined, money.gate.waiting]
  return [...health.probes, redis.service, ...services, ...own, ...health.watches]
})

/** Each consumer's polling, and its batches: one that takes long is no standstill while its messages are settled. */
function loopsOf(
  config: ListenerConfig,
  { kafka, money }: Foundation,
  listeners: readonly { consumer: TopicConsumer; batches: WorkProgress; groupId: string; topic: string }[],
  logger: Logger,
): HealthLoop[] {
  const { database, redis, streams } = freshProbesOf(config, logger)
  // The listener that pays by itself waits while calls are blocked.
  const moneyApi: FreshProbe = {
    name: 'money-api',
    probe: async () => {
      const { breaker, credentialsRefused, rateLimited } = money.gate.status
      if (breaker !== 'closed' || credentialsRefused || rateLimited)
        throw new CodedError('BLOCKED', 'calls are blocked')
    },
  }
  return listeners.flatMap(({ consumer, batches, ...group }) => [
    consumerLoop(consumer, kafka, group),
    { loop: batches, readyMs: BATCH_READY_MS, needs: [database, redis, streams, groupProbe(kafka, group), moneyApi] },
  ])
}

/** A processor that says after each message that the batch gets on. */
function telling(batches: WorkProgress, processor: Pick<AbstractCampaignPromotionProcessor, 'processTopicMessage'>) {
  const processTopicMessage: typeof processor.processTopicMessage = async (...args) => {
    const outcome = await processor.processTopicMessage(...args)
    batches.turned()
    return outcome
  }
  return { processTopicMessage }
}
