import { afterEach, expect, jest, test } from '@jest/globals'
import type { EachBatchPayload } from 'kafkajs'
import { TopicConsumer } from '#kafka/topic-consumer.ts'
import { createLogger } from '#runtime/logger.ts'

let consumer: TopicConsumer | undefined
afterEach(async () => {
  await consumer?.stop()
  jest.useRealTimers()
})

const HOUR_MS = 3_600_000

/** A consumer whose Kafka hands it a batch when the test says so, of a partition on which offset 3 is committed at first. */
async function consumerOf() {
  const broker = { committed: '3', isDown: false, connects: 0 }
  const told = { handled: [] as string[], committed: [] as string[], resolved: [] as string[] }
  const fatal: string[] = []
  const made: { retry: { restartOnFailure(): Promise<boolean> } }[] = []
  const asked: object[] = []
  let handling: Promise<void> | undefined
  let eachBatch: (payload: EachBatchPayload) => Promise<void> = async () => undefined
  const listeners = new Map<string, (event: { payload: unknown }) => void>()
  const events = { FETCH: 'fetch', CRASH: 'crash', GROUP_JOIN: 'join', END_BATCH_PROCESS: 'end' }
  const client = {
    events,
    on: (event: string, listener: (event: { payload: unknown }) => void) => void listeners.set(event, listener),
    connect: async () => {
      broker.connects += 1
      if (broker.isDown) throw new Error('no broker')
    },
    subscribe: async (options: object) => void asked.push(options),
    run: async ({ eachBatch: handler, ...options }: { eachBatch: typeof eachBatch }) => {
      eachBatch = handler
      asked.push(options)
      listeners.get('join')?.({ payload: { memberAssignment: { t: [0] } } })
    },
    stop: async () => undefined,
    disconnect: async () => undefined,
    commitOffsets: async (offsets: { offset: string }[]) =>
      void told.committed.push(...offsets.map(({ offset }) => offset)),
  }
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchOffsets: async () => [{ topic: 't', partitions: [{ partition: 0, offset: broker.committed }] }],
  }
  consumer = new TopicConsumer({
    kafka: {
      consumer: (options: (typeof made)[0]) => {
        made.push(options)
        return client
      },
      admin: () => admin,
    } as never,
    groupId: 'g',
    topics: ['t'],
    handleBatch: async messages => {
      told.handled.push(...messages.map(({ offset }) => offset))
      await handling
    },
    logger: createLogger('test', 'silent'),
    onFatal: ({ message }) => void fatal.push(message),
  })
  await consumer.start()
  const hand = (offsets: string[], { isRunning = true, isStale = [false], last = offsets.at(-1) ?? '-1' } = {}) => {
    const stale = [...isStale]
    return eachBatch({
      batch: {
        topic: 't',
        partition: 0,
        messages: offsets.map(offset => ({ offset, key: null, value: Buffer.from('x'), timestamp: '1', headers: {} })),
        lastOffset: () => last,
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
  const tell = (event: string, payload: object) => listeners.get(event)?.({ payload })
  const crash = () => listeners.get('crash')?.({ payload: { error: new Error('no coordinator') } })
  const handleUntil = (end: Promise<void>) => {
    handling = end
  }
  return { consumer, told, hand, broker, fatal, made, asked, tell, crash, handleUntil }
}

test('a batch is handled whole, then committed behind its last record', async () => {
  const { told, hand } = await consumerOf()
  await hand(['4', '5'])
  expect(told).toEqual({ handled: ['4', '5'], resolved: ['5'], committed: ['6'] })
})

test('behind the control records that end it, too', async () => {
  const { told, hand } = await consumerOf()
  await hand(['4', '5'], { last: '6' })
  expect(told).toEqual({ handled: ['4', '5'], resolved: ['6'], committed: ['7'] })
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

test('while a batch is handled, however long that takes, it polls by heartbeats; with none under way it is stale', async () => {
  jest.useFakeTimers()
  const end = Promise.withResolvers<void>()
  const { consumer, hand, handleUntil } = await consumerOf()
  handleUntil(end.promise)
  const handed = hand(['4'])
  await jest.advanceTimersByTimeAsync(HOUR_MS)
  expect(consumer.ageMs).toBeLessThanOrEqual(1000)
  end.resolve()
  await handed
  expect(() => consumer.assertAlive()).not.toThrow()
  await jest.advanceTimersByTimeAsync(16_000)
  expect(() => consumer.assertAlive()).toThrow('has not polled for 16 s')
})

test('a consumer that crashes is begun again, a bounded number of times, then that is fatal', async () => {
  jest.useFakeTimers()
  const { broker, fatal, crash } = await consumerOf()
  broker.isDown = true
  crash()
  await jest.advanceTimersByTimeAsync(HOUR_MS)
  expect([fatal, broker.connects]).toEqual([['consumer of t crashed 15 times: no broker'], 16])
})

test('what a settled batch, or ten minutes, lie behind is not added up', async () => {
  jest.useFakeTimers()
  const { broker, fatal, crash, hand } = await consumerOf()
  for (let times = 0; times < 20; times++) {
    crash()
    await jest.advanceTimersByTimeAsync(10_000)
    await hand([String(4 + times)])
  }
  for (let times = 0; times < 20; times++) {
    crash()
    await jest.advanceTimersByTimeAsync(11 * 60_000)
  }
  expect([fatal, broker.connects]).toEqual([[], 41])
})

test('one that is stopped while it waits to begin again does not', async () => {
  jest.useFakeTimers()
  const { consumer, broker, crash } = await consumerOf()
  crash()
  await consumer.stop()
  await jest.advanceTimersByTimeAsync(HOUR_MS)
  expect(broker.connects).toBe(1)
})

test('a topic that is not there is not made by listening to it', async () => {
  const { made } = await consumerOf()
  expect(made).toMatchObject([{ allowAutoTopicCreation: false }])
})

test('it begins at the first message, and nobody but it commits or begins again', async () => {
  const { asked, made } = await consumerOf()
  expect(asked).toEqual([
    { topics: ['t'], fromBeginning: true },
    { autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 4 },
  ])
  expect(await made[0]!.retry.restartOnFailure()).toBe(false)
})

test('a batch of nothing but control records is committed behind, too, and no other one before it is handled', async () => {
  jest.useFakeTimers()
  const { told, tell } = await consumerOf()
  tell('end', { topic: 't', partition: 0, batchSize: 1, lastOffset: '4' })
  await jest.advanceTimersByTimeAsync(0)
  expect(told.committed).toEqual([])
  tell('end', { topic: 't', partition: 0, batchSize: 0, lastOffset: '8' })
  await jest.advanceTimersByTimeAsync(0)
  expect(told).toEqual({ handled: [], resolved: [], committed: ['9'] })
})

test('what it fetches, and joining, are signs of life', async () => {
  jest.useFakeTimers()
  const { consumer, tell, crash } = await consumerOf()
  await jest.advanceTimersByTimeAsync(14_000)
  tell('fetch', {})
  await jest.advanceTimersByTimeAsync(14_000)
  expect(() => consumer.assertAlive()).not.toThrow()
  crash()
  expect(() => consumer.assertAlive()).toThrow('has crashed and is not back yet')
  await jest.advanceTimersByTimeAsync(5000)
  expect(() => consumer.assertAlive()).not.toThrow()
  expect(consumer.ageMs).toBeLessThan(5000)
})

test('one that is stopped while it waits to begin again has nothing left to commit', async () => {
  jest.useFakeTimers()
  const { consumer, hand, broker } = await consumerOf()
  await hand(['4'])
  // The topic was made again: the consumer is begun again, and the offset cannot be committed.
  broker.committed = '-1'
  await hand(['5'])
  await consumer.stop()
  await jest.advanceTimersByTimeAsync(HOUR_MS)
  expect(jest.getTimerCount()).toBe(0)
})
