import { listenerSchema } from '#config/schemas.ts'
import { type BatchHandler, TopicConsumer } from '#kafka/topic-consumer.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { campaignPointPromotionListener } from '#listeners/campaign-point-promotion-listener.ts'
import { campaignPointPromotionRetryListener } from '#listeners/campaign-point-promotion-retry-listener.ts'
import { campaignVoucherPromotionListener } from '#listeners/campaign-voucher-promotion-listener.ts'
import { campaignVoucherPromotionRetryListener } from '#listeners/campaign-voucher-promotion-retry-listener.ts'
import { createMessageConservation } from '#promotion/conservation.ts'
import { CampaignPromotionPointProcessor } from '#promotion/point-processor.ts'
import { createRetryJobs } from '#promotion/retry-jobs.ts'
import { CampaignPromotionVoucherProcessor } from '#promotion/voucher-processor.ts'
import { registerLoopMetrics } from '#promotion/worker-metrics.ts'
import { createProbeServer } from '#runtime/probe-server.ts'
import { service } from '#runtime/service.ts'
import { retryRedisOf } from './connections.ts'
import { foundationOf, retryerOf, retryPolicyOf } from './foundation.ts'
import { runProcess } from './run-process.ts'

/** Kafka → result row → stream. Scales with Kafka partitions. */
await runProcess('listener', listenerSchema, async (config, { logger, fatal, assertStarted }) => {
  const { metrics, database, kafka, money, processorDeps, services } = await foundationOf('listener', config, logger)
  const redis = retryRedisOf(config, logger)
  const retryJobs = createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy: retryPolicyOf(config) })

  const retryer = retryerOf(logger)
  const { invalidMessages } = processorDeps
  const conservation = createMessageConservation({ metrics, counters: processorDeps.metrics, logger })
  const shared = { invalidMessages, conservation, retryer, logger }
  const handlers: [suffix: string, topic: string, handleBatch: BatchHandler][] = [
    [
      'voucher',
      config.KAFKA_TOPIC_VOUCHER,
      campaignVoucherPromotionListener({ ...shared, processor: new CampaignPromotionVoucherProcessor(processorDeps) }),
    ],
    [
      'point',
      config.KAFKA_TOPIC_POINT,
      campaignPointPromotionListener({ ...shared, processor: new CampaignPromotionPointProcessor(processorDeps) }),
    ],
    [
      'voucher-retry',
      config.KAFKA_TOPIC_VOUCHER_RETRY,
      campaignVoucherPromotionRetryListener({ ...shared, retryJobs }),
    ],
    ['point-retry', config.KAFKA_TOPIC_POINT_RETRY, campaignPointPromotionRetryListener({ ...shared, retryJobs })],
  ]
  const consumers = handlers.map(
    ([suffix, topic, handleBatch]) =>
      new TopicConsumer({
        kafka,
        groupId: `${config.KAFKA_GROUP_ID}-${suffix}`,
        topics: [topic],
        handleBatch,
        logger,
        onFatal: fatal,
      }),
  )
  const topics = [...handlers.map(([, topic]) => topic), config.KAFKA_TOPIC_INVALID]
  const topicsReady = service('topics', {
    start: () => ensureTopics(kafka, topics, config.KAFKA_TOPIC_PARTITIONS),
    stop: async () => undefined,
  })
  registerLoopMetrics(metrics, consumers)
  const probes = createProbeServer({
    host: config.PROBE_HOST,
    port: config.LISTENER_PORT,
    metrics,
    checks: [
      { name: 'started', check: assertStarted },
      { name: 'database', check: () => database.ping() },
      { name: 'redis', check: async () => void (await redis.client.ping()) },
      ...consumers.map(consumer => ({ name: consumer.name, check: () => consumer.assertAlive() })),
    ],
  })
  const joined = service('consumers', {
    start: async () => void (await Promise.all(consumers.map(consumer => consumer.start()))),
    stop: async deadline => void (await Promise.all(consumers.map(consumer => consumer.stop(deadline)))),
  })
  return [probes, ...services, redis.service, retryJobs, topicsReady, joined, money.gate.waiting]
})
