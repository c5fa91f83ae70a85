import { afterEach, expect, test } from '@jest/globals'
import type { EachBatchPayload } from 'kafkajs'
import { TopicConsumer } from '#kafka/topic-consumer.ts'
import { createLogger } from '#runtime/logger.ts'

let consumer: TopicConsumer | undefined
afterEach(() => consumer?.stop())

/** A consumer whose Kafka hands it a batch when the test says so, of a partition on which offset 3 is committed at first. */
async function consumerOf() {
  const broker = { committed: '3' }
  const told = { handled: [] as string[], committed: [] as string[], resolved: [] as string[] }
  let eachBatch: (payload: EachBatchPayload) => Promise<void> = async () => undefined
  const listeners = new Map<string, (event: { payload: unknown }) => void>()
  const events = { FETCH: 'fetch', CRASH: 'crash', GROUP_JOIN: 'join', END_BATCH_PROCESS: 'end' }
  const client = {
    events,
    on: (event: string, listener: (event: { payload: unknown }) => void) => void listeners.set(event, listener),
    connect: async () => undefined,
    subscribe: async () => undefined,
    run: async (options: { eachBatch: typeof eachBatch }) => {
      eachBatch = options.eachBatch
      listeners.get('join')?.({ payload: { memberAssignment: { t: [0] } } })
    },
    stop: async () => undefined,
    disconnect: async () => undefined,
    commitOffsets: async () => undefined,
  }
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchOffsets: async () => [{ topic: 't', partitions: [{ partition: 0, offset: broker.committed }] }],
  }
  consumer = new TopicConsumer({
    kafka: { consumer: () => client, admin: () => admin } as never,
    groupId: 'g',
    topics: ['t'],
    handleBatch: async messages => void told.handled.push(...messages.map(({ offset }) => offset)),
    logger: createLogger('test', 'silent'),
    onFatal: () => undefined,
  })
  await consumer.start()
  const hand = (offsets: string[], { isRunning = true, isStale = [false] } = {}) => {
    const stale = [...isStale]
    return eachBatch({
      batch: {
        topic: 't',
        partition: 0,
        messages: offsets.map(offset => ({ offset, key: null, value: Buffer.from('x'), timestamp: '1', headers: {} })),
        lastOffset: () => offsets.at(-1) ?? '-1',
      },
      heartbeat: async () => undefined,
      isRunning: () => isRunning,
      isStale: () => (stale.length > 1 ? stale.shift() : stale[0]),
      pause: () => () => undefined,
      resolveOffset: (offset: string) => void told.resolved.push(offset),
      commitOffsetsIfNecessary: async (offsets: { topics: { partitions: { offset: string }[] }[] }) =>
        void told.committed.push(...offsets.topics.flatMap(({ partitions }) => partitions.map(({ offset }) => offset))),
    } as never)
  }
  return { told, hand, broker }
}

test('a batch is handled whole, then committed behind its last record', async () => {
  const { told, hand } = await consumerOf()
  await hand(['4', '5'])
  expect(told).toEqual({ handled: ['4', '5'], resolved: ['5'], committed: ['6'] })
})

test.each([
  ['is empty', [], {}],
  ['comes when the consumer is stopping', ['4'], { isRunning: false }],
  ['is another member’s by now', ['4'], { isStale: [true] }],
])('a batch that %s is not begun', async (_, offsets, state) => {
  const { told, hand } = await consumerOf()
  await hand(offsets, state)
  expect(told).toEqual({ handled: [], resolved: [], committed: [] })
})

test('a batch whose partition goes to another member meanwhile is not committed', async () => {
  const { told, hand } = await consumerOf()
  await hand(['4'], { isStale: [false, true] })
  expect(told).toEqual({ handled: ['4'], resolved: [], committed: [] })
})

test('where the topic was made again while a batch was handled, its offset is not committed: it would hide that', async () => {
  const { told, hand, broker } = await consumerOf()
  await hand(['4'])
  broker.committed = '-1'
  await hand(['5']).catch(() => undefined)
  expect(told).toMatchObject({ handled: ['4', '5'], committed: ['5'] })
})
