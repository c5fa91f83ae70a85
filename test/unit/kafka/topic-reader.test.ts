import { afterEach, expect, jest, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { fetchCommitted, fetchRanges, readRanges } from '#kafka/topic-reader.ts'

afterEach(() => {
  jest.useRealTimers()
})

const refusal = (type: string, retriable: boolean) =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1, retriable }))

/** Its brokers answer so, one after the other, and then that offset 7 of 9 is committed. */
function kafkaThatSays(...refusals: Error[]) {
  let asked = 0
  const answer = <T>(said: T): T => {
    const refused = refusals[asked++]
    if (refused !== undefined) throw refused
    return said
  }
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    listTopics: async () => ['t'],
    fetchOffsets: async () => answer([{ topic: 't', partitions: [{ partition: 0, offset: '7' }] }]),
    fetchTopicOffsets: async () => answer([{ partition: 0, low: '0', high: '9' }]),
  }
  return { kafka: { admin: () => admin } as never, asked: () => asked }
}

test('a coordinator that reads its log, or has moved, is asked again', async () => {
  const { kafka, asked } = kafkaThatSays(
    refusal('GROUP_LOAD_IN_PROGRESS', true),
    refusal('NOT_COORDINATOR_FOR_GROUP', true),
  )
  expect(await fetchCommitted(kafka, 'g', 't')).toEqual(new Map([[0, 7n]]))
  expect(asked()).toBe(3)
})

test('a partition whose leader is being elected is asked again', async () => {
  const { kafka, asked } = kafkaThatSays(refusal('LEADER_NOT_AVAILABLE', true))
  expect(await fetchRanges(kafka, ['t'])).toEqual(new Map([['t', [{ partition: 0, low: 0n, high: 9n }]]]))
  expect(asked()).toBe(2)
})

test('what will not pass is told at once', async () => {
  const { kafka, asked } = kafkaThatSays(refusal('GROUP_AUTHORIZATION_FAILED', false))
  await expect(fetchCommitted(kafka, 'g', 't')).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
  expect(asked()).toBe(1)
})

/** A topic `t` of ten records; its consumer is handed batches when the test says so. */
function reading(onMessages: () => Promise<void>) {
  jest.useFakeTimers()
  const listeners = new Map<string, (event: { payload: object }) => void>()
  let eachBatch: (payload: object) => Promise<void> = async () => undefined
  const consumer = {
    events: { CRASH: 'crash', END_BATCH_PROCESS: 'end' },
    on: (event: string, listener: (event: { payload: object }) => void) => void listeners.set(event, listener),
    connect: async () => undefined,
    subscribe: async () => undefined,
    run: async (options: { eachBatch: typeof eachBatch }) => {
      eachBatch = options.eachBatch
    },
    disconnect: async () => undefined,
  }
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    deleteGroups: async () => undefined,
  }
  const made: object[] = []
  const makeConsumer = (options: object) => {
    made.push(options)
    return consumer
  }
  const kafka = { consumer: makeConsumer, admin: () => admin } as never
  const read = readRanges(kafka, new Map([['t', [{ partition: 0, low: 0n, high: 10n }]]]), onMessages)
  const ended = read.then(
    () => 'read',
    (error: Error) => error.message,
  )
  const hand = async (...offsets: number[]) => {
    const messages = offsets.map(offset => ({ offset: String(offset), key: null, value: null, headers: {} }))
    await eachBatch({ batch: { topic: 't', partition: 0, messages }, heartbeat: async () => undefined })
    listeners.get('end')?.({ payload: { topic: 't', partition: 0, lastOffset: String(offsets.at(-1)) } })
  }
  return { ended, hand, made }
}

test('records that come no more are told, also after some have come', async () => {
  const { ended, hand } = reading(async () => undefined)
  await jest.advanceTimersByTimeAsync(50_000)
  await hand(0, 1, 2)
  await jest.advanceTimersByTimeAsync(59_000)
  expect(await Promise.race([ended, 'reading'])).toBe('reading')

  await jest.advanceTimersByTimeAsync(2000)
  expect(await ended).toBe('Kafka (KAFKA_BROKERS) gives no more of t/0')
})

test('whoever takes long with a batch is not told that Kafka does', async () => {
  const { ended, hand } = reading(() => new Promise(resolve => setTimeout(resolve, 200_000)))
  await jest.advanceTimersByTimeAsync(0)
  const handed = hand(0, 9)
  await jest.advanceTimersByTimeAsync(200_000)
  await handed

  expect(await ended).toBe('read')
})

test('a topic that was deleted meanwhile is not made again by reading it', async () => {
  const { ended, hand, made } = reading(async () => undefined)
  await jest.advanceTimersByTimeAsync(0)
  await hand(0, 9)
  expect([await ended, made]).toEqual(['read', [expect.objectContaining({ allowAutoTopicCreation: false })]])
})
