import { expect, test } from '@jest/globals'
import { createEventProvider } from '#kafka/event-provider.ts'

interface Sent {
  acks: number
  topicMessages: { topic: string; messages: { key: string; value: string; headers?: object }[] }[]
}

/** A producer that keeps what it sent; `refuses` decides which batches the broker does not take. */
function producerOf(refuses: (values: readonly string[]) => Error | undefined = () => undefined) {
  const sent: Sent[] = []
  const life: string[] = []
  const asked: object[] = []
  let connects: Promise<void> = Promise.resolve()
  const producer = {
    connect: () => {
      life.push('connect')
      return connects
    },
    disconnect: async () => void life.push('disconnect'),
    sendBatch: async (batch: Sent) => {
      const error = refuses(batch.topicMessages.flatMap(({ messages }) => messages.map(({ value }) => value)))
      if (error !== undefined) throw error
      sent.push(batch)
    },
  }
  const provider = createEventProvider({
    producer: (options: object) => {
      asked.push(options)
      return producer
    },
  } as never)
  return { provider, sent, life, asked, failToConnect: (error: Error) => (connects = Promise.reject(error)) }
}

const event = (topic: string, value: string) => ({ topic, key: `key of ${value}`, value })

test('events of one moment are one request that all in-sync replicas confirm, each under its topic, in their order', async () => {
  const { provider, sent } = producerOf()
  await Promise.all([
    provider.publish(event('a', '1')),
    provider.publish({ ...event('b', '2'), headers: { traceparent: 't' } }),
    provider.publish(event('a', '3')),
  ])
  expect(sent).toEqual([
    {
      acks: -1,
      topicMessages: [
        {
          topic: 'a',
          messages: [
            { key: 'key of 1', value: '1' },
            { key: 'key of 3', value: '3' },
          ],
        },
        { topic: 'b', messages: [{ key: 'key of 2', value: '2', headers: { traceparent: 't' } }] },
      ],
    },
  ])
})

test.each(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])(
  'an event that the broker refuses as %s fails alone, the others are delivered',
  async type => {
    const tooLarge = Object.assign(new Error(type), { type })
    const { provider, sent } = producerOf(values => (values.includes('2') ? tooLarge : undefined))
    const outcomes = await Promise.allSettled(['1', '2', '3', '4'].map(value => provider.publish(event('a', value))))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: tooLarge })
    expect(sent.flatMap(({ topicMessages }) => topicMessages[0]?.messages.map(({ value }) => value))).toEqual([
      '1',
      '3',
      '4',
    ])
  },
)

test('a broker that is away fails all of them, in one try', async () => {
  let tries = 0
  const { provider } = producerOf(() => {
    tries += 1
    return Object.assign(new Error('away'), { type: 'NOT_LEADER_FOR_PARTITION' })
  })
  const outcomes = await Promise.allSettled(['1', '2', '3'].map(value => provider.publish(event('a', value))))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(tries).toBe(1)
})

test('it makes no topics, connects when it starts, and disconnects when it stops', async () => {
  const { provider, life, asked } = producerOf()
  expect(asked).toEqual([{ allowAutoTopicCreation: false }])
  await provider.start()
  expect(life).toEqual(['connect'])
  await provider.stop()
  expect(life).toEqual(['connect', 'disconnect'])
})

test('a start without Kafka says which setting it is about', async () => {
  const { provider, failToConnect } = producerOf()
  failToConnect(new Error('Connection timeout'))
  await expect(provider.start()).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
})
