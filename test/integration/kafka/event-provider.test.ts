import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { createLogger } from '#runtime/logger.ts'
import { kafkaMissing, stackEnv, uniqueName } from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('publishing', () => {
  let kafka: KafkaClient
  const topic = uniqueName('publish')

  beforeAll(async () => {
    const brokers = stackEnv().KAFKA_BROKERS!.split(',')
    kafka = createKafka({ brokers, clientId: 'test', ssl: false, logger: createLogger('test', 'silent') })
    await ensureTopics(kafka, [topic], 1)
  })
  afterAll(async () => {
    const admin = kafka.admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
  })

  test('a message that the broker finds too large fails alone, its company is delivered', async () => {
    const provider = createEventProvider(kafka)
    await provider.start()
    const sizes = [10, 20, 2_000_000, 30]
    const published = await Promise.allSettled(
      sizes.map(size => provider.publish({ topic, key: 'k', value: 'x'.repeat(size) })),
    )
    await provider.stop(AbortSignal.timeout(5000))
    expect(published.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })
})
