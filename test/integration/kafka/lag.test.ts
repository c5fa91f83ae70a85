import { describe, expect, test } from '@jest/globals'
import { createKafka } from '#kafka/client.ts'
import { createLagReader } from '#kafka/lag.ts'
import { TopicConsumer } from '#kafka/topic-consumer.ts'
import { createLogger } from '#runtime/logger.ts'
import { createTopic } from '#test/support/kafka-topics.ts'
import { kafkaMissing, stackEnv, uniqueName } from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('how far behind a group is, and whether anybody reads', () => {
  test('a group has members while a consumer runs, and none before and after; its lag goes to 0', async () => {
    const logger = createLogger('test', 'silent')
    const kafka = createKafka({ brokers: [stackEnv().KAFKA_BROKERS!], clientId: 'test', ssl: false, logger })
    const [topic, groupId] = [uniqueName('lag'), uniqueName('group')]
    await createTopic(kafka, topic)
    await using lag = createLagReader(kafka)
    await lag.start()
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({ topic, messages: [{ value: '1' }, { value: '2' }] })
    await producer.disconnect()
    expect([await lag.hasMembers(groupId), await lag.read(groupId, topic)]).toEqual([false, 2])

    const settled = Promise.withResolvers<void>()
    const consumer = new TopicConsumer({
      kafka,
      groupId,
      topics: [topic],
      handleBatch: async () => settled.resolve(),
      logger,
      onFatal: settled.reject,
    })
    await consumer.start()
    await settled.promise
    expect(await lag.hasMembers(groupId)).toBe(true)
    await consumer.stop()
    expect([await lag.hasMembers(groupId), await lag.read(groupId, topic)]).toEqual([false, 0])
  })
})
