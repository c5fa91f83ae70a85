import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { TopicConsumer } from '#kafka/topic-consumer.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { campaignPromotionStartedListener } from '#listeners/campaign-listeners.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import { createLogger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { until } from '#test/support/redis.ts'
import {
  createTestDatabase,
  kafkaMissing,
  stackEnv,
  type TestDatabase,
  uniqueId,
  uniqueName,
} from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const logger = createLogger('test', 'silent')
const topic = uniqueName('started')

withKafka('started events that a new worker hears from the first', () => {
  let db: TestDatabase
  let kafka: KafkaClient

  beforeAll(async () => {
    db = await createTestDatabase()
    kafka = createKafka({ brokers: stackEnv().KAFKA_BROKERS!.split(','), clientId: 'test', ssl: false, logger })
    await ensureTopics(kafka, [topic], 1)
  }, 60_000)
  afterAll(() => db.drop())

  test('one that is older than its promotion starts nothing; clocks may differ by a minute', async () => {
    const promotions = createPromotionRepository(db.database.kysely)
    const [older, recent] = [String(uniqueId()), String(uniqueId())]
    const producer = kafka.producer()
    await producer.connect()
    const event = (promotionId: string, agoMs: number) => ({
      value: JSON.stringify({ promotionId, totalCount: 5, type: 'POINT' }),
      timestamp: String(Date.now() - agoMs),
    })
    await producer.send({ topic, messages: [event(older, 120_000), event(recent, 30_000)] })
    await producer.disconnect()
    for (const id of [older, recent]) await promotions.create({ id, name: 'made later', type: 'POINT', totalCount: 5 })
    const listen = campaignPromotionStartedListener({
      promotions,
      statusFollower: { followOne: async () => undefined },
      metrics: createPromotionMetrics(createMetrics('test')),
      logger,
      retryer: work => work(),
    })
    let heard = 0
    await using consumer = new TopicConsumer({
      kafka,
      groupId: uniqueName('group'),
      topics: [topic],
      handleBatch: async (messages, signal) => {
        await listen(messages, signal)
        heard += messages.length
      },
      logger,
      onFatal: () => undefined,
    })
    await consumer.start()
    await until('both are heard', () => heard === 2, 20_000)
    const statuses = await Promise.all([older, recent].map(async id => (await promotions.find(id))?.status))
    expect(statuses).toEqual(['READY', 'IN_PROGRESS'])
  }, 40_000)
})
