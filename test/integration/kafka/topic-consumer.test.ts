import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { CompressionCodecs, CompressionTypes } from 'kafkajs'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { type BatchHandler, TopicConsumer } from '#kafka/topic-consumer.ts'
import { fetchRanges, readRanges } from '#kafka/topic-reader.ts'
import { errorLine } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { OFFSET_COMMIT, startKafkaProxy } from '#test/support/kafka-proxy.ts'
import { createTopic, deleteTopic, lagOf } from '#test/support/kafka-topics.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { kafkaMissing, stackEnv, uniqueName } from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

const clientOf = (broker: string) =>
  createKafka({ brokers: [broker], clientId: 'test', ssl: false, logger: createLogger('test', 'silent') })

withKafka('a consumer of a topic', () => {
  const broker = stackEnvBroker()
  let kafka: KafkaClient
  let topic: string
  let groupId: string
  let stack: AsyncDisposableStack
  let seen: string[]

  beforeEach(() => {
    kafka = clientOf(broker)
    topic = uniqueName('consumed')
    groupId = uniqueName('group')
    stack = new AsyncDisposableStack()
    seen = []
  })
  afterEach(() => stack.disposeAsync())

  const note: BatchHandler = async messages => void seen.push(...messages.map(({ value }) => String(value)))

  async function consume(client: KafkaClient = kafka, handleBatch: BatchHandler = note): Promise<TopicConsumer> {
    const consumer = new TopicConsumer({
      kafka: client,
      groupId,
      topics: [topic],
      handleBatch,
      logger: createLogger('test', 'silent'),
      onFatal: error => {
        throw error
      },
    })
    stack.use(consumer)
    await consumer.start()
    return consumer
  }

  async function publish(values: readonly string[], partition = 0, compression = CompressionTypes.None): Promise<void> {
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({ topic, compression, messages: values.map(value => ({ value, partition })) })
    await producer.disconnect()
  }

  async function until(what: string, isSo: () => Promise<boolean> | boolean, timeoutMs = 25_000): Promise<void> {
    for (const end = Date.now() + timeoutMs; !(await isSo()); await sleep(50))
      if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for: ${what}`)
  }

  test('a new group reads what was there before it: no gift is skipped because its listener came later', async () => {
    await createTopic(kafka, topic)
    await publish(['before', 'also before'])
    await consume()
    await until('both are seen', () => seen.length === 2)
    expect(seen).toEqual(['before', 'also before'])
  })

  test('an offset whose commit is cut, again and again, is committed without a new message', async () => {
    const proxy = await startKafkaProxy(broker)
    stack.defer(() => proxy.stop())
    await createTopic(kafka, topic)
    const consumer = await consume(clientOf(proxy.broker))
    await publish(['a'])
    await until('no lag yet', async () => seen.length === 1 && (await lagOf(kafka, groupId, topic)) === 0)
    // kafkajs asks six times by itself, and forgets it then.
    const isCut = proxy.cut(OFFSET_COMMIT, 8)
    await publish(['b'])
    await isCut
    await until('no lag', async () => (await lagOf(kafka, groupId, topic)) === 0, 15_000)
    expect(seen).toEqual(['a', 'b'])
    consumer.assertAlive()
  }, 40_000)

  test('batches of nothing but aborted and control records move the offset', async () => {
    await createTopic(kafka, topic)
    await consume()
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: uniqueName('tx') })
    await producer.connect()
    for (const isAborted of [false, true, true]) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: Array.from({ length: 10 }, () => ({ value: String(isAborted) })) })
      await (isAborted ? transaction.abort() : transaction.commit())
    }
    await producer.disconnect()
    await until('no lag', async () => (await lagOf(kafka, groupId, topic)) === 0)
    expect(seen).toEqual(Array.from({ length: 10 }, () => 'false'))
  })

  test('a topic that is made again before the first commit of its group is read from its beginning', async () => {
    await createTopic(kafka, topic)
    await publish(['old 1', 'old 2'])
    const [first, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const handled: string[] = []
    await consume(kafka, async messages => {
      first.resolve()
      await rest.promise
      handled.push(...messages.map(({ value }) => String(value)))
    })
    await first.promise
    await deleteTopic(kafka, topic)
    await createTopic(kafka, topic)
    const values = Array.from({ length: 5 }, (_, index) => `new ${index}`)
    await publish(values)
    rest.resolve()
    await until('the last is handled', () => handled.includes('new 4'))
    expect(handled.filter(value => value.startsWith('new'))).toEqual(values)
    await until('no lag', async () => (await lagOf(kafka, groupId, topic)) === 0)
  })

  slowTest('a batch that cannot be decoded stops its partition, says so, and is read once it can be', async () => {
    await createTopic(kafka, topic, { partitions: 2 })
    await publish(['before'])
    await publish(['unreadable'], 0, CompressionTypes.ZSTD)
    await publish(['behind'])
    const zstd = CompressionCodecs[CompressionTypes.ZSTD]
    const giveBack = () => {
      CompressionCodecs[CompressionTypes.ZSTD] = zstd
    }
    stack.defer(giveBack)
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: () => Promise.reject(new Error('unused')),
      decompress: () => Promise.reject(new Error('the frame is corrupt')),
    })
    const consumer = await consume()
    await until('the reason', () => reasonOf(consumer) !== undefined)
    expect(reasonOf(consumer)).toBe(
      `partition 0 of ${topic} stands still: its records from offset 1 on cannot be decoded: the frame is corrupt`,
    )
    await publish(['other partition', 'and more'], 1)
    await until('the other partition', () => seen.includes('and more'))
    expect(seen).toEqual(['before', 'other partition', 'and more'])
    await until('what was read is committed', async () => (await lagOf(kafka, groupId, topic)) === 2)
    const reading = readRanges(kafka, await fetchRanges(kafka, [topic]), () => undefined)
    await expect(reading).rejects.toThrow(`partition 0 of ${topic} cannot be decoded from offset 1 on`)

    giveBack()
    await until('the rest', () => seen.includes('behind'))
    expect(seen.slice(3)).toEqual(['unreadable', 'behind'])
    await until('no lag', async () => (await lagOf(kafka, groupId, topic)) === 0)
    expect(reasonOf(consumer)).toBeUndefined()
  })
})

function reasonOf(consumer: TopicConsumer): string | undefined {
  try {
    consumer.assertAlive()
    return undefined
  } catch (error) {
    return errorLine(error)
  }
}

function stackEnvBroker(): string {
  return kafkaMissing === undefined ? stackEnv().KAFKA_BROKERS!.split(',')[0]! : ''
}
