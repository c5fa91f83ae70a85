import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { StreamConsumer } from '#stream/consumer.ts'
import type { StreamPool } from '#stream/pool.ts'
import { resolveWorkerOptions, type StreamWorkerOptions } from '#stream/worker-options.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

type Fields = Record<string, string>

const MINUTE_MS = 60_000
const LOST = new Error('Command timed out')

let rig: MemoryRig
/** What was announced, and what the pool was told. */
let told: string[]
let woken: string[]
/** How a handler that was begun ends. */
let end: PromiseWithResolvers<void>

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'Date'] })
  rig = await memoryRig()
  ;[told, woken] = [[], []]
  end = Promise.withResolvers()
})
afterEach(async () => {
  await rig.connection.close()
  jest.useRealTimers()
})

function consumerOf(options: Partial<StreamWorkerOptions> = {}): StreamConsumer<Fields> {
  return new StreamConsumer<Fields>({
    name: 's',
    handler: () => end.promise,
    options: resolveWorkerOptions('s', { connection: rig.connection, group: 'g', ...options }) as never,
    pool: {
      wake: (_member: unknown, isHot = false) => void woken.push(isHot ? 'hot' : 'awake'),
      freed: () => void woken.push('freed'),
    } as unknown as StreamPool,
    signal: new AbortController().signal,
    announce: (name, ...payload) => {
      const [first] = payload as unknown[]
      told.push(first instanceof Error ? `${name} ${first.message}` : name)
    },
  })
}

/** One that is open, with its group, and knows that nothing of before is its own. */
async function open(options: Partial<StreamWorkerOptions> = {}): Promise<StreamConsumer<Fields>> {
  const consumer = consumerOf(options)
  await consumer.ensureGroup()
  consumer.open()
  ;[told, woken] = [[], []]
  return consumer
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
}

const failing = (name: string, error: Error = LOST) => {
  rig.fateOf = ([each]) => (each === name ? error : undefined)
}

test('a consumer asks for upkeep while its server is there, and does not ask one that is away', async () => {
  const consumer = consumerOf()
  expect(consumer.isDue(performance.now(), false)).toBe(true)
  await rig.connection.close()
  expect(consumer.isDue(performance.now(), false)).toBe(false)
})

describe('a group', () => {
  test('is made, and read from its beginning', async () => {
    const consumer = consumerOf()
    rig.ask('XADD', 's', '1-0', 'n', '1')
    await consumer.ensureGroup()
    expect([consumer.seenId, rig.ask('XPENDING', 's', 'g')]).toEqual(['0-0', [0, null, null, null]])
    expect(told).toEqual([])
  })

  test('beside another one is told of, once a minute', async () => {
    rig.ask('XGROUP', 'CREATE', 's', 'other', '0', 'MKSTREAM')
    const consumer = consumerOf()
    await consumer.ensureGroup()
    jest.advanceTimersByTime(MINUTE_MS - 1)
    await consumer.ensureGroup()
    expect(told).toEqual([expect.stringMatching(/^error another consumer group reads s: /)])
    jest.advanceTimersByTime(1)
    await consumer.ensureGroup()
    expect(told).toHaveLength(2)
  })

  test('that is gone when it is read is made again', async () => {
    const consumer = await open()
    rig.ask('XADD', 's', '1-0', 'n', '1')
    await consumer.take(1, true)
    rig.ask('DEL', 's')
    expect(await consumer.take(1, true)).toBe('failed')
    await turns()
    expect([told.filter(what => what.startsWith('error')), rig.ask('EXISTS', 's')]).toEqual([[], 1])
    expect(consumer.seenId).toBe('0-0')
  })

  test('that cannot be made again is told of, and so is whatever else a read fails of', async () => {
    const consumer = await open()
    failing('xreadgroup')
    await consumer.take(1, true)
    await turns()
    expect(told).toEqual(['error Command timed out'])
    rig.ask('DEL', 's')
    failing('xgroup', new Error('no room'))
    await consumer.take(1, true)
    await turns()
    expect(told).toEqual(['error Command timed out', 'error no room'])
  })

  test('that is gone at its upkeep is made again, and the stream read at once', async () => {
    const consumer = await open({ consumer: 'me' })
    rig.ask('DEL', 's')
    await consumer.maintain(performance.now(), false)
    expect([woken, rig.ask('EXISTS', 's'), told]).toEqual([['hot'], 1, []])
    failing('xpending')
    jest.advanceTimersByTime(10 * MINUTE_MS)
    await expect(consumer.maintain(performance.now(), false)).rejects.toThrow(LOST)
  })
})

describe('what was seen', () => {
  test('is as far as the group is, where the server says so', async () => {
    const consumer = await open()
    rig.ask('XADD', 's', '5-0', 'n', '1')
    rig.ask('XREADGROUP', 'GROUP', 'g', 'other', 'STREAMS', 's', '>')
    await consumer.catchUp()
    expect(consumer.seenId).toBe('5-0')
    failing('xinfo')
    await consumer.catchUp()
    expect(consumer.seenId).toBe('5-0')
    rig.fateOf = () => undefined
    rig.ask('XGROUP', 'DESTROY', 's', 'g')
    await consumer.catchUp()
    expect(consumer.seenId).toBe('5-0')
  })

  test('is nothing after the server was away, and what is its own is looked for before a read', async () => {
    const consumer = await open()
    rig.ask('XADD', 's', '5-0', 'n', '1')
    await consumer.take(1, true)
    end.resolve()
    await turns()
    await consumer.maintain(performance.now(), false)
    expect([consumer.seenId, consumer.canRead]).toEqual(['5-0', true])
    woken = []
    consumer.onReconnect()
    expect([consumer.seenId, consumer.canRead, woken]).toEqual(['0-0', false, ['hot']])
  })
})

describe('it works', () => {
  test('from when it is opened until it is shut', async () => {
    const consumer = consumerOf({ concurrency: 3 })
    await consumer.ensureGroup()
    await consumer.maintain(performance.now(), false)
    expect([consumer.canRead, consumer.free, woken]).toEqual([false, 0, []])
    for (const isPaused of [true, false]) consumer.setQueuePaused(isPaused)
    expect([consumer.free, woken]).toEqual([0, []])
    consumer.open()
    expect([consumer.canRead, consumer.free, woken]).toEqual([true, 3, ['hot']])
    consumer.shut()
    expect([consumer.canRead, consumer.free, woken]).toEqual([false, 0, ['hot']])
  })

  test('on as many at once as is said, also when that is said anew', async () => {
    const consumer = await open({ concurrency: 3, weight: 2 })
    consumer.concurrency = 7
    expect([consumer.concurrency, consumer.free, consumer.weight, woken]).toEqual([7, 7, 2, ['awake']])
  })

  test('and tells the pool of a slot that is free again, while it is open', async () => {
    const consumer = await open({ concurrency: 3 })
    for (const id of ['1-0', '2-0']) rig.ask('XADD', 's', id, 'n', '1')
    await consumer.take(1, true)
    expect([consumer.active, consumer.inFlight, consumer.ready, woken]).toEqual([1, 1, 0, []])
    end.resolve()
    await consumer.whenIdle()
    expect(woken).toEqual(['freed'])
    end = Promise.withResolvers()
    await consumer.take(1, true)
    consumer.shut()
    end.resolve()
    await consumer.whenIdle()
    await consumer.whenAcknowledged()
    expect([woken, rig.ask('XLEN', 's')]).toEqual([['freed'], 0])
  })

  test('until it leaves its group', async () => {
    const consumer = await open({ consumer: 'me' })
    await consumer.take(1, true)
    expect(rig.ask('XINFO', 'CONSUMERS', 's', 'g')).toHaveLength(1)
    consumer.shut()
    await consumer.leave()
    expect(rig.ask('XINFO', 'CONSUMERS', 's', 'g')).toEqual([])
  })
})

describe('a queue that is paused', () => {
  test('is known by what the server says', async () => {
    const consumer = consumerOf()
    await consumer.lookUpPause()
    expect(consumer.isQueuePaused).toBe(false)
    rig.ask('SET', 's:paused', '1')
    await consumer.lookUpPause()
    expect(consumer.isQueuePaused).toBe(true)
    consumer.open()
    expect([consumer.free, woken]).toEqual([0, []])
    failing('exists')
    await expect(consumer.lookUpPause()).rejects.toBe(LOST)
  })

  test('is worked on no more, and told when what ran is over and acknowledged', async () => {
    const consumer = await open({ concurrency: 3 })
    rig.ask('XADD', 's', '1-0', 'n', '1')
    await consumer.take(1, true)
    told = []
    consumer.setQueuePaused(true)
    consumer.setQueuePaused(true)
    expect([consumer.free, consumer.isQueuePaused]).toEqual([0, true])
    await turns()
    expect(told).toEqual([])
    end.resolve()
    await consumer.whenIdle()
    expect(told).not.toContain('paused')
    await turns()
    expect([told.filter(what => what === 'paused'), rig.ask('XLEN', 's')]).toEqual([['paused'], 0])
  })

  test('goes on, which is told, and is read at once', async () => {
    const consumer = await open({ concurrency: 3 })
    consumer.setQueuePaused(false)
    expect([told, woken]).toEqual([[], []])
    consumer.setQueuePaused(true)
    consumer.setQueuePaused(false)
    expect([told, woken, consumer.free]).toEqual([['resumed'], ['hot'], 3])
    await turns()
    expect(told).toEqual(['resumed'])
  })

  test('is not told of as paused when it goes on before all was over', async () => {
    const consumer = await open()
    rig.ask('XADD', 's', '1-0', 'n', '1')
    await consumer.take(1, true)
    told = []
    let isStillSo = true
    const isOver = consumer.announcePaused(() => isStillSo)
    isStillSo = false
    end.resolve()
    await isOver
    expect(told).not.toContain('paused')
  })
})

describe('dead letters', () => {
  test('that have become too old are upkeep', async () => {
    const consumer = await open({ removeOnFail: { age: 60 } })
    rig.ask('XADD', 's:dead-letter', '1-0', 'n', '1')
    await consumer.maintain(performance.now(), true)
    await turns()
    expect(rig.ask('XLEN', 's:dead-letter')).toBe(0)
    expect(consumer.isDue(performance.now(), true)).toBe(false)
  })

  test('are written, and those beyond the bound told to the logger', async () => {
    const lines: unknown[] = []
    const line = (what: unknown) => void lines.push(what)
    const logger = { debug: line, info: line, warn: line, error: line }
    const consumer = await open({ attempts: 1, removeOnFail: 1, logger: logger as never })
    rig.ask('XADD', 's:dead-letter', '1-0', 'n', '1')
    rig.ask('XADD', 's', '7-0', 'n', '1')
    await consumer.take(1, true)
    end.reject(new Error('no use'))
    await consumer.whenIdle()
    await turns()
    expect(rig.ask('XRANGE', 's:dead-letter', '-', '+')).toEqual([
      [expect.any(String), expect.arrayContaining(['_id', '7-0', '_stream', 's'])],
    ])
    expect(rig.ask('XLEN', 's')).toBe(0)
    expect(lines).toContainEqual({ stream: 's', deadLetterStream: 's:dead-letter', count: 1 })
    expect(lines).toContainEqual(expect.objectContaining({ stream: 's', entryId: '7-0', deliveries: 1 }))
  })
})

test('an error is told without the command that it came of', () => {
  const consumer = consumerOf()
  const error = Object.assign(new Error('no'), { command: { args: ['secret'] } })
  consumer.reportError(error)
  expect([told, 'command' in error]).toEqual([['error no'], false])
})
