import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { fetchRanges, readRanges } from '#kafka/topic-reader.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { createLogger } from '#runtime/logger.ts'
import { kafkaMissing, stackEnv, uniqueName } from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('reading what a topic holds', () => {
  let kafka: KafkaClient
  const topic = uniqueName('read')
  const produced = new Set<string>()

  beforeAll(async () => {
    const brokers = stackEnv().KAFKA_BROKERS!.split(',')
    kafka = createKafka({ brokers, clientId: 'test', ssl: false, logger: createLogger('test', 'silent') })
    await ensureTopics(kafka, [topic], 3)
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: uniqueName('tx') })
    await producer.connect()
    // Transactions leave control records behind, one of them at the very end of each partition.
    for (let round = 0; round < 3; round++) {
      const transaction = await producer.transaction()
      const values = Array.from({ length: 300 }, (_, index) => `${round}-${index}`)
      const messages = values.map((value, index) => ({ value, partition: index % 3 }))
      await transaction.send({ topic, messages })
      if (round === 1) await transaction.abort()
      else {
        await transaction.commit()
        for (const value of values) produced.add(value)
      }
    }
    await producer.disconnect()
  })
  afterAll(async () => {
    const admin = kafka.admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
  })

  test('every record once, in order, control records and what was aborted left out; what comes later is not waited for', async () => {
    const ranges = await fetchRanges(kafka, [topic, `${topic}-none`])
    expect([...ranges.keys()]).toEqual([topic])
    const late = kafka.producer()
    await late.connect()
    await late.send({ topic, messages: [{ value: 'late', partition: 0 }] })
    await late.disconnect()
    const seen: string[] = []
    const lastOf = new Map<number, bigint>()
    await readRanges(kafka, ranges, messages => {
      for (const { partition, offset, value } of messages) {
        expect(BigInt(offset)).toBeGreaterThan(lastOf.get(partition) ?? -1n)
        lastOf.set(partition, BigInt(offset))
        seen.push(String(value))
      }
    })
    expect(seen).toHaveLength(600)
    expect(new Set(seen)).toEqual(produced)
  })

  test('a handler that fails ends it', async () => {
    const ranges = await fetchRanges(kafka, [topic])
    const reading = readRanges(kafka, ranges, () => {
      throw new Error('cannot be kept')
    })
    await expect(reading).rejects.toThrow('cannot be kept')
  })
})
