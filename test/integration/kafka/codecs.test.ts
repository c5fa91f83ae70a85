import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { CompressionTypes } from 'kafkajs'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { fetchRanges, readRanges } from '#kafka/topic-reader.ts'
import { findExecutable } from '#local/servers/executables.ts'
import { createLogger } from '#runtime/logger.ts'
import { createTopic } from '#test/support/kafka-topics.ts'
import { kafkaMissing, stackEnv, uniqueName } from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const kcat = findExecutable(process.env, 'kcat')
const withKcat = kcat === undefined ? test.skip : test

const CODECS = [
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
] as const

const NAMES = CODECS.map(([name]) => name)

/** Long enough for several blocks of every codec. */
const VALUES = Array.from({ length: 20 }, (_, index) => `${index}-${'gift '.repeat(4000)}${index}`)

withKafka('record batches of every codec', () => {
  let kafka: KafkaClient
  beforeAll(() => {
    const brokers = stackEnv().KAFKA_BROKERS!.split(',')
    kafka = createKafka({ brokers, clientId: 'test', ssl: false, logger: createLogger('test', 'silent') })
  })

  async function publish(topic: string, compression: CompressionTypes): Promise<void> {
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({ topic, compression, messages: VALUES.map(value => ({ value })) })
    await producer.disconnect()
  }

  async function read(topic: string): Promise<string[]> {
    const seen: string[] = []
    await readRanges(kafka, await fetchRanges(kafka, [topic]), messages => {
      for (const { value } of messages) seen.push(String(value))
    })
    return seen
  }

  test.each(NAMES)('%s as Java writes it (the broker compresses anew)', async name => {
    const topic = uniqueName(`java-${name}`)
    await createTopic(kafka, topic, { settings: { 'compression.type': name } })
    await publish(topic, CompressionTypes.None)
    expect(await read(topic)).toEqual(VALUES)
  })

  test.each(CODECS)('%s of our own, which the broker reads too', async (name, compression) => {
    const topic = uniqueName(`own-${name}`)
    await createTopic(kafka, topic, { settings: { 'compression.type': 'uncompressed' } })
    await publish(topic, compression)
    expect(await read(topic)).toEqual(VALUES)
  })

  withKcat.each(NAMES)('%s as librdkafka writes it', async name => {
    const topic = uniqueName(`kcat-${name}`)
    await createTopic(kafka, topic)
    const args = ['-P', '-b', stackEnv().KAFKA_BROKERS!, '-t', topic, '-z', name, '-X', 'linger.ms=200']
    const child = spawn(kcat!, args, { stdio: ['pipe', 'ignore', 'inherit'] })
    child.stdin.end(VALUES.join('\n'))
    expect((await once(child, 'exit'))[0]).toBe(0)
    expect(await read(topic)).toEqual(VALUES)
  })
})
