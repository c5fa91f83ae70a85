import { afterEach, describe, expect, test } from '@jest/globals'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import {
  calculateConsumerCountPerInstance,
  PromotionStreamManager,
  type StreamManagerDeps,
} from '#promotion/consumers/stream-manager.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { TRACE_FIELD } from '#queues/promotion-stream.ts'
import { createLogger } from '#runtime/logger.ts'
import { deadLetter, type Outcome, StreamError, StreamPool } from '#stream/index.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { until } from '#test/support/redis.ts'
import { collectSpans } from '#test/support/spans.ts'

const SETTINGS = {
  ...{ maxLen: 1000, readCount: 10, pollIntervalMs: 5 },
  ...{ maxConsumersPerInstance: 10, claimMinIdleMs: 60_000, maxDeliveries: 5 },
}

let stop: (() => Promise<void>) | undefined
afterEach(() => stop?.())

/** A manager on a server inside the process, whose entries become what `answer` says. */
async function create(overrides: Partial<StreamManagerDeps> = {}) {
  const server = new MemoryServer()
  const connection = createMemoryConnection(server)
  await connection.ready()
  const logger = createLogger('test', 'silent')
  const pool = new StreamPool({ connection, maxInFlight: 10, pollIntervalMs: 5 })
  const registry = new PromotionConsumerRegistry(logger)
  const told: string[] = []
  const world = { answer: undefined as Outcome | undefined }
  const processor = {
    processStreamMessage: async (json: string) => {
      told.push(`processed ${json}`)
      return world.answer
    },
    markPoison: async () => undefined,
  }
  const manager = new PromotionStreamManager({
    ...{ connection, pool, registry, settings: SETTINGS, logger },
    handlers: { VOUCHER: { stream: GIFT_TYPES.VOUCHER, processor }, POINT: { stream: GIFT_TYPES.POINT, processor } },
    onDead: (type, reason) => told.push(`dead ${type} ${reason}`),
    onDelivery: (type, isRepeated) => told.push(`delivery ${type} ${isRepeated}`),
    onOtherGroup: type => told.push(`other group ${type}`),
    ...overrides,
  })
  stop = async () => {
    // One that is closed before it is ready would keep the process for a moment.
    await Promise.all(registry.contexts.map(({ worker }) => worker.waitUntilReady()))
    await registry.shutdownAll(AbortSignal.timeout(2000))
    await pool.close()
    await connection.close()
  }
  const streamKey = GIFT_TYPES.POINT.streamKey('7')
  const add = (message: string, ...fields: string[]) =>
    server.execute(['XADD', streamKey, '*', 'key', 'k', 'message', message, ...fields])
  const length = () => (server.execute(['XLEN', streamKey]) as { reply: number }).reply
  const workerOf = async () => (await registry.get('7'))?.worker
  return { manager, registry, add, length, workerOf, told, world }
}

test.each([
  [1, 10, 1],
  [20, 10, 1],
  [21, 10, 2],
  [199, 10, 10],
  [1_000_000, 10, 10],
  [0, 10, 1],
  [Number.POSITIVE_INFINITY, 10, 10],
])('%s gifts, %s slots at most: %s slots', (totalCount, most, slots) => {
  expect(calculateConsumerCountPerInstance(totalCount, most)).toBe(slots)
})

describe('the slots of a promotion', () => {
  test.each<[string, number, number | null | undefined, number]>([
    ['by its total', 40, undefined, 2],
    ['by its total, where an operator has said nothing', 40, null, 2],
    ['all of them where the total is not known', 0, undefined, 10],
    ['as an operator says', 40, 5, 5],
    ['never more than the process may have', 40, 50, 10],
  ])('%s', async (_name, totalCount, asked, slots) => {
    const { manager, workerOf } = await create()
    await manager.startConsumers('7', totalCount, 'POINT', asked)
    expect((await workerOf())?.concurrency).toBe(slots)
  })

  test('follow a later start, with the same consumers', async () => {
    const { manager, registry, workerOf } = await create()
    await manager.startConsumers('7', 40, 'POINT')
    const worker = await workerOf()
    await manager.startConsumers('7', 200, 'POINT')
    expect(await workerOf()).toBe(worker)
    expect(worker?.concurrency).toBe(10)
    expect(registry.contexts).toMatchObject([{ promotionId: '7', type: 'POINT' }])
  })
})

describe('the consumers of a promotion', () => {
  test('process what is on its stream already, and acknowledge what is settled', async () => {
    const { manager, add, length, told } = await create()
    add('early')
    await manager.startConsumers('7', 1, 'POINT')
    await until('the entry is gone', () => length() === 0)
    expect(told).toEqual(['delivery POINT false', 'processed early'])
  })

  test('begin nothing while they are paused, and go on with the next start', async () => {
    const { manager, add, length, told, workerOf } = await create()
    await manager.startConsumers('7', 1, 'POINT')
    await manager.pauseConsumers('7')
    expect((await workerOf())?.isPaused()).toBe(true)
    add('later')
    await manager.startConsumers('7', 1, 'POINT')
    expect((await workerOf())?.isPaused()).toBe(false)
    await until('the entry is gone', () => length() === 0)
    expect(told).toContain('processed later')
  })

  test('are closed when they are stopped, and another promotion’s pause is none of theirs', async () => {
    const { manager, registry, workerOf } = await create()
    await manager.startConsumers('7', 1, 'POINT')
    await manager.pauseConsumers('8')
    const worker = await workerOf()
    expect(worker?.isPaused()).toBe(false)
    await worker?.waitUntilReady()
    await manager.stopConsumers('7')
    expect([registry.promotionIds, worker?.isRunning()]).toEqual([[], false])
  })

  test('tell of a dead letter, with its type and reason, and keep as many as is said', async () => {
    const removeOnFail = { count: 2, age: 3600 }
    const { manager, registry, add, length, told, world } = await create({ settings: { ...SETTINGS, removeOnFail } })
    world.answer = deadLetter('result-not-found')
    for (const message of ['1', '2', '3', '4']) add(message)
    await manager.startConsumers('7', 1, 'POINT')
    await until('all are dead letters', () => length() === 0)
    expect(told.filter(line => line.startsWith('dead'))).toEqual(Array(4).fill('dead POINT result-not-found'))
    const queue = (await registry.get('7'))!.queue
    await until('two are kept', async () => (await queue.deadLetters().count()) === 2)
  })

  test('tell of another consumer group, and of no other trouble', async () => {
    const { manager, told, workerOf } = await create()
    await manager.startConsumers('7', 1, 'POINT')
    const worker = await workerOf()
    worker?.emit('error', new StreamError('STREAM_FULL', 'no room'))
    worker?.emit('error', new Error('away'))
    expect(told).toEqual([])
    worker?.emit('error', new StreamError('STREAM_OTHER_GROUP', 'somebody else'))
    expect(told).toEqual(['other group POINT'])
  })

  test('hand their handler’s times on where slots are shared', async () => {
    let timed = 0
    const sharing: StreamManagerDeps['sharing'] = {
      timed:
        handler =>
        (...args) => {
          timed += 1
          return handler(...args)
        },
    }
    const { manager, add, length } = await create({ sharing })
    add('one')
    await manager.startConsumers('7', 1, 'POINT')
    await until('the entry is gone', () => length() === 0)
    expect(timed).toBe(1)
  })
})

describe('with tracing', () => {
  const take = collectSpans()

  test('an entry’s trace goes on until Redis has its acknowledgement', async () => {
    const { manager, add, length } = await create()
    add('traced', TRACE_FIELD, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')
    await manager.startConsumers('7', 1, 'POINT')
    await until('the entry is gone', () => length() === 0)
    const names: string[] = []
    await until('both spans have ended', () => {
      names.push(...take().map(({ name }) => name))
      return names.length >= 2
    })
    expect(names).toEqual(['gift payment', 'gift acknowledgement'])
  })
})
