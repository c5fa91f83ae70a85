import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { CompressionTypes } from 'kafkajs'
import { startKafkaProxy } from '#test/support/kafka-proxy.ts'
import { kafkaMissing, uniqueName } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('what a listener makes of record batches', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create()
    await system.start('listener')
  })
  afterAll(() => system.stop())

  const messagesOf = (promotionId: string) =>
    targetsOf(20).map(targetId => ({ key: 'k', value: giftJson('VOUCHER', { promotionId, targetId }) }))
  const rows = async (promotionId: string) => (await system.countByStatus(promotionId, 'VOUCHER')).PENDING

  test.each([
    ['gzip', CompressionTypes.GZIP],
    ['snappy', CompressionTypes.Snappy],
    ['lz4', CompressionTypes.LZ4],
    ['zstd', CompressionTypes.ZSTD],
  ])('gifts in %s become rows', async (_name, compression) => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    const producer = system.kafka.producer()
    await producer.connect()
    await producer.send({ topic: system.topic('VOUCHER'), compression, messages: messagesOf(promotionId) })
    await producer.disconnect()
    await system.until('20 rows', async () => (await rows(promotionId)) === 20)
    await system.until('no lag', async () => (await system.lag('voucher', 'VOUCHER')) === 0)
  })

  test('aborted gifts become none, and leave no lag', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    const transactionalId = uniqueName('tx')
    const producer = system.kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId })
    await producer.connect()
    for (const isAborted of [false, true]) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: system.topic('VOUCHER'), messages: messagesOf(promotionId) })
      await (isAborted ? transaction.abort() : transaction.commit())
    }
    await producer.disconnect()
    await system.until('no lag', async () => (await system.lag('voucher', 'VOUCHER')) === 0)
    expect(await rows(promotionId)).toBe(20)
  })

  test('a batch that cannot be decoded stops its partition and says so in /ready; the other topic and partitions go on', async () => {
    const proxy = await startKafkaProxy(system.env.KAFKA_BROKERS!)
    const own = await TestSystem.create({ KAFKA_BROKERS: proxy.broker, REDIS_KEY_PREFIX: 'own:' })
    try {
      proxy.spoilZstd(true)
      const zstd = await own.promotion('VOUCHER', 'READY')
      const plain = await own.promotion('VOUCHER', 'READY')
      const point = await own.promotion('POINT', 'READY')
      const producer = system.kafka.producer()
      await producer.connect()
      const send = (topic: 'VOUCHER' | 'POINT', promotionId: string, partition: number, compression = 0) =>
        producer.send({
          topic: own.topic(topic),
          compression,
          messages: targetsOf(20).map(targetId => ({ partition, value: giftJson(topic, { promotionId, targetId }) })),
        })
      const spoiled = await own.start('listener')
      await send('VOUCHER', zstd, 0, CompressionTypes.ZSTD)
      const ready = async () => fetch(`${spoiled.url}/ready`)
      await own.until('not ready', async () => (await (await ready()).text()).includes('cannot be decoded'))
      await send('VOUCHER', plain, 1)
      await send('POINT', point, 0)
      await producer.disconnect()
      const pending = async (type: 'VOUCHER' | 'POINT', id: string) => (await own.countByStatus(id, type)).PENDING
      await own.until('the other partition', async () => (await pending('VOUCHER', plain)) === 20)
      await own.until('the other topic', async () => (await pending('POINT', point)) === 20)
      expect(await pending('VOUCHER', zstd)).toBe(0)
      const refusal = await ready()
      expect(refusal.status).toBe(503)
      expect(await refusal.text()).toContain(`partition 0 of ${own.topic('VOUCHER')} stands still`)
      proxy.spoilZstd(false)
      await own.until('the rest', async () => (await pending('VOUCHER', zstd)) === 20)
      await own.until('no lag', async () => (await own.lag('voucher', 'VOUCHER')) === 0)
      expect((await ready()).status).toBe(200)
    } finally {
      await own.stop()
      await proxy.stop()
    }
  }, 60_000)
})
