import { afterEach, expect, jest, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import type { TopicMessage } from '#kafka/topic-message.ts'
import { fetchCommitted, fetchRanges, readRanges, type TopicRanges } from '#kafka/topic-reader.ts'
import { CodedError } from '#runtime/errors.ts'

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

const TEN: TopicRanges = new Map([['t', [{ partition: 0, low: 0n, high: 10n }]]])

/** Topics, by default `t` of ten records, whose consumer is handed batches when the test says so. */
function reading(onMessages: (messages: readonly TopicMessage[]) => Promise<void> | void, ranges = TEN, connectMs = 0) {
  jest.useFakeTimers()
  const listeners = new Map<string, (event: { payload: object }) => void>()
  const tell = (event: string, payload: object) => listeners.get(event)?.({ payload })
  let eachBatch: (payload: object) => Promise<void> = async () => undefined
  const calls: string[] = []
  const call =
    (name: string) =>
    async (...args: unknown[]) =>
      void calls.push(args.length === 0 ? name : `${name} ${JSON.stringify(args[0])}`)
  const consumer = {
    events: { CRASH: 'crash', END_BATCH_PROCESS: 'end' },
    on: (event: string, listener: (event: { payload: object }) => void) => void listeners.set(event, listener),
    connect: async () => {
      if (connectMs > 0) await new Promise(resolve => setTimeout(resolve, connectMs))
      await call('connect')()
    },
    subscribe: call('subscribe'),
    run: async ({ eachBatch: handler, ...options }: { eachBatch: typeof eachBatch }) => {
      eachBatch = handler
      await call('run')(options)
    },
    disconnect: call('disconnect'),
  }
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    deleteGroups: async ([groupId]: string[]) =>
      void calls.push(groupId === made[0]?.groupId ? 'delete the group' : 'delete another group'),
  }
  const made: { groupId: string; retry: { restartOnFailure(): Promise<boolean> } }[] = []
  const makeConsumer = (options: (typeof made)[0]) => {
    made.push(options)
    return consumer
  }
  const kafka = { consumer: makeConsumer, admin: () => admin } as never
  const read = readRanges(kafka, ranges, onMessages)
  const ended = read.then(
    () => 'read',
    (error: Error) => error.message,
  )
  const end = (topic: string, partition: number, lastOffset: number) =>
    void tell('end', { topic, partition, lastOffset: String(lastOffset) })
  const handOf = async (topic: string, partition: number, ...offsets: number[]) => {
    const messages = offsets.map(offset => ({ offset: String(offset), key: null, value: null, headers: {} }))
    await eachBatch({ batch: { topic, partition, messages }, heartbeat: call('heartbeat') })
    end(topic, partition, offsets.at(-1) ?? -1)
  }
  const hand = (...offsets: number[]) => handOf('t', 0, ...offsets)
  const crash = (error: Error) => void tell('crash', { error })
  return { ended, read, hand, handOf, end, crash, made, calls, consumer, admin }
}

/** Whoever is handed messages: what they were, in their order. */
function receiver() {
  const received: string[] = []
  const take = (messages: readonly TopicMessage[]) =>
    void received.push(...messages.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`))
  return { received, take }
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

test('they are told a minute after the reading began, however long the way there was', async () => {
  const { ended } = reading(() => undefined, TEN, 40_000)
  await jest.advanceTimersByTimeAsync(99_999)
  expect(await Promise.race([ended, 'reading'])).toBe('reading')
  await jest.advanceTimersByTimeAsync(1)
  expect(await ended).toContain('gives no more of t/0')
})

test('every record of the ranges is handed over, and nothing that came later', async () => {
  const { received, take } = receiver()
  const { ended, hand, calls, made } = reading(take)
  await jest.advanceTimersByTimeAsync(0)
  await hand(0, 1, 2, 3)
  await hand(4, 9, 10, 11)
  expect(await ended).toBe('read')
  expect(received).toEqual(['t/0/0', 't/0/1', 't/0/2', 't/0/3', 't/0/4', 't/0/9'])
  expect(calls).toEqual([
    'connect',
    'subscribe {"topics":["t"],"fromBeginning":true}',
    'run {"autoCommit":false}',
    'heartbeat',
    'heartbeat',
    'disconnect',
    'delete the group',
  ])
  expect([await made[0]!.retry.restartOnFailure(), jest.getTimerCount()]).toEqual([false, 0])
})

test('a consumer that begins again hands over nothing twice', async () => {
  const { received, take } = receiver()
  const { ended, hand } = reading(take)
  await jest.advanceTimersByTimeAsync(0)
  await hand(0, 1)
  await hand(0, 1, 2)
  // Nothing of this is new, nor is what follows forgotten.
  await hand(0, 1)
  await hand(2, 3, 9)
  expect(await ended).toBe('read')
  expect(received).toEqual(['t/0/0', 't/0/1', 't/0/2', 't/0/3', 't/0/9'])
})

test('of several partitions all are read to their ends, whatever lies behind; those that hold nothing are not waited for', async () => {
  const { received, take } = receiver()
  const range = (partition: number, low: bigint, high: bigint) => ({ partition, low, high })
  const ranges = new Map([
    ['t', [range(0, 0n, 2n), range(1, 5n, 5n), range(2, 0n, 1n)]],
    ['empty', [range(0, 7n, 7n)]],
  ])
  const { ended, handOf, end, calls } = reading(take, ranges)
  await jest.advanceTimersByTimeAsync(0)
  expect(calls[1]).toBe('subscribe {"topics":["t"],"fromBeginning":true}')
  await handOf('t', 2, 0)
  await handOf('t', 1, 5)
  await handOf('t', 2, 1)
  await handOf('t', 0, 0)
  expect(await Promise.race([ended, 'reading'])).toBe('reading')
  // The last of it is a control record, which no handler is given.
  end('t', 0, 1)
  expect(await ended).toBe('read')
  expect(received).toEqual(['t/2/0', 't/0/0'])
})

test('where there is nothing to read nobody is asked for it', async () => {
  const { ended, made } = reading(() => undefined, new Map([['t', [{ partition: 0, low: 3n, high: 3n }]]]))
  expect([await ended, made]).toEqual(['read', []])
})

test('a consumer that crashes is told, and leaves nothing behind', async () => {
  const { ended, read, crash, calls } = reading(() => undefined)
  await jest.advanceTimersByTimeAsync(0)
  crash(new Error('no coordinator'))
  expect(await ended).toBe('Kafka (KAFKA_BROKERS) cannot be read: no coordinator')
  await expect(read).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
  expect([calls.slice(-2), jest.getTimerCount()]).toEqual([['disconnect', 'delete the group'], 0])
})

test('who cannot take what it is handed ends the reading; an error that has a code keeps it', async () => {
  const failing = reading(() => {
    throw new CodedError('REPORT_FULL', 'the disk is full')
  })
  await jest.advanceTimersByTimeAsync(0)
  await expect(failing.hand(0)).rejects.toThrow('the disk is full')
  await expect(failing.read).rejects.toMatchObject({ code: 'REPORT_FULL' })
})

test('what it leaves behind does not hide what it read', async () => {
  const { ended, hand, consumer, admin } = reading(() => undefined)
  consumer.disconnect = () => Promise.reject(new Error('away'))
  admin.deleteGroups = () => Promise.reject(new Error('away'))
  await jest.advanceTimersByTimeAsync(0)
  await hand(0, 9)
  await jest.advanceTimersByTimeAsync(60_000)
  expect(await ended).toBe('read')
})

test('a partition that was never committed is none that was', async () => {
  const partitions = [-1, 0, 8].map((offset, partition) => ({ partition, offset: String(offset) }))
  const calls: string[] = []
  const admin = {
    connect: async () => void calls.push('connect'),
    fetchOffsets: async () => {
      calls.push('ask')
      return [{ topic: 't', partitions }]
    },
    disconnect: async () => {
      calls.push('disconnect')
      throw new Error('away')
    },
  }
  const committed = await fetchCommitted({ admin: () => admin } as never, 'g', 't')
  expect(committed).toEqual(
    new Map([
      [1, 0n],
      [2, 8n],
    ]),
  )
  expect(calls).toEqual(['connect', 'ask', 'disconnect'])
})
