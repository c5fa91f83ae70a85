import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import {
  createStreamConnection,
  deadLetter,
  retryLater,
  type StreamConnection,
  type StreamHandler,
  StreamPool,
  StreamQueue,
  StreamWorker,
  type StreamWorkerOptions,
} from '#stream/index.ts'
import { startTestRedis, type TestRedis, until } from '../support/redis.ts'

type Job = { n: string }

const GROUP = 'workers'
let redis: TestRedis
let connection: StreamConnection
let workers: StreamWorker<Job>[] = []
let pools: StreamPool[] = []
let name = ''
let counter = 0

beforeAll(async () => {
  redis = await startTestRedis()
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
})
afterAll(async () => {
  await connection.close()
  await redis.stop()
})
beforeEach(() => {
  counter += 1
  name = `stream-${counter}`
})
afterEach(async () => {
  await Promise.all(workers.map(worker => worker.close(true)))
  await Promise.all(pools.map(pool => pool.close()))
  workers = []
  pools = []
})

function work(handler: StreamHandler<Job>, options: Partial<StreamWorkerOptions<Job>> = {}, stream = name) {
  const worker = new StreamWorker<Job>(stream, handler, { connection, group: GROUP, concurrency: 10, ...options })
  workers.push(worker)
  return worker
}
const queueOf = (stream = name) => new StreamQueue<Job>(stream, { connection, group: GROUP })
const jobs = (count: number, from = 0) => Array.from({ length: count }, (_, index) => ({ n: String(from + index) }))
const pendingOf = async (stream = name) => ((await redis.probe.xpending(stream, GROUP).catch(() => [0])) as [number])[0]

describe('delivery', () => {
  test('a group at id 0: entries added before there was a group are delivered', async () => {
    await queueOf().addBulk(jobs(3))
    const seen: string[] = []
    work(entry => void seen.push(entry.fields.n))
    await until('3 entries', () => seen.length === 3)
    expect(seen).toEqual(['0', '1', '2'])
  })

  test('ack and delete: nothing is left on the stream, nothing pending', async () => {
    let done = 0
    work(() => void done++)
    await queueOf().addBulk(jobs(500))
    await until('500 done', () => done === 500)
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect(await pendingOf()).toBe(0)
  })

  test('several slots of several workers in one group share the entries, with no repeats', async () => {
    const seen: string[] = []
    const handler: StreamHandler<Job> = async entry => {
      await new Promise(resolve => setImmediate(resolve))
      seen.push(entry.fields.n)
    }
    const takers = [work(handler), work(handler)]
    const counts = new Map<StreamWorker<Job>, number>()
    for (const taker of takers) taker.on('completed', () => counts.set(taker, (counts.get(taker) ?? 0) + 1))
    await queueOf().addBulk(jobs(2000))
    await until('2,000 entries', () => seen.length >= 2000)
    expect(new Set(seen).size).toBe(2000)
    expect(seen).toHaveLength(2000)
    expect(counts.size).toBe(2)
  })

  test('never more read than free slots', async () => {
    const gate = Promise.withResolvers<void>()
    let [running, most] = [0, 0]
    work(
      async () => {
        running += 1
        most = Math.max(most, running)
        await gate.promise
        running -= 1
      },
      { concurrency: 7 },
    )
    await queueOf().addBulk(jobs(50))
    await until('7 running', () => running === 7)
    expect(await pendingOf()).toBe(7)
    gate.resolve()
    await until('all done', async () => (await redis.probe.xlen(name)) === 0)
    expect(most).toBe(7)
  })

  test('concurrency goes up and down while it runs', async () => {
    const gates: (() => void)[] = []
    const worker = work(() => new Promise<void>(resolve => gates.push(resolve)), { concurrency: 2 })
    await queueOf().addBulk(jobs(20))
    await until('2 running', () => worker.inFlight === 2)
    worker.concurrency = 5
    await until('5 running', () => worker.inFlight === 5)
    worker.concurrency = 1
    for (const open of gates.splice(0)) open()
    await until('1 running', () => gates.length === 1 && worker.inFlight === 1)
    expect(await pendingOf()).toBeLessThanOrEqual(6)
    expect(() => {
      worker.concurrency = 0
    }).toThrow('concurrency must be a whole number from 1 on, not 0')
    worker.concurrency = 20
    await until('all done', async () => {
      for (const open of gates.splice(0)) open()
      return (await redis.probe.xlen(name)) === 0
    })
  })
})

describe('outcomes', () => {
  test('retryLater costs no delivery, keeps its slot’s worth, and comes again after its pause', async () => {
    const deliveries: number[] = []
    work(
      entry => {
        deliveries.push(entry.deliveries)
        return deliveries.length < 4 ? retryLater({ delayMs: 20, reason: 'not now' }) : undefined
      },
      { maxDeliveries: 1 },
    )
    await queueOf().add({ n: '1' })
    await until('done', async () => deliveries.length === 4 && (await redis.probe.xlen(name)) === 0)
    expect(deliveries).toEqual([1, 1, 1, 1])
  })

  test('a dead letter is written with its reason, then acknowledged', async () => {
    work(() => deadLetter('cannot be done'))
    const id = await queueOf().add({ n: '7' })
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    const [entry] = (await redis.probe.xrange(`${name}:dead-letter`, '-', '+')) as [string, string[]][]
    expect(entry?.[1]).toEqual(expect.arrayContaining(['n', '7', 'id', id, 'reason', 'cannot be done']))
  })

  test('a handler that throws: the entry comes again, its deliveries counted, and is poison after maxDeliveries', async () => {
    const errors: string[] = []
    const poisoned: number[] = []
    const worker = work(
      () => {
        throw new Error('boom')
      },
      { maxDeliveries: 2, maxBackoffMs: 20, onPoison: entry => void poisoned.push(entry.deliveries) },
    )
    worker.on('failed', (_entry, error) => errors.push(error.message))
    await queueOf().add({ n: '1' })
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect(errors).toEqual(['boom', 'boom'])
    expect(poisoned).toEqual([3])
    expect(await redis.probe.xlen(`${name}:dead-letter`)).toBe(1)
  })

  test('an entry whose poison handler rejects is kept, not acknowledged', async () => {
    let asked = 0
    work(
      () => {
        throw new Error('boom')
      },
      {
        maxDeliveries: 1,
        maxBackoffMs: 10,
        onPoison: async () => {
          asked += 1
          throw new Error('database is away')
        },
      },
    )
    await queueOf().add({ n: '1' })
    await until('asked twice', () => asked === 2)
    expect([await redis.probe.xlen(name), await pendingOf()]).toEqual([1, 1])
    expect(await redis.probe.exists(`${name}:dead-letter`)).toBe(0)
  })

  test('an error in a listener or in a handler never ends the loop', async () => {
    const worker = work(
      entry => {
        if (entry.fields.n === '0') throw new Error('boom')
      },
      { maxBackoffMs: 10 },
    )
    worker.on('completed', () => {
      throw new Error('a bad listener')
    })
    await queueOf().addBulk(jobs(20))
    await until('all but one done', async () => (await redis.probe.xlen(name)) === 1)
    expect(worker.isRunning()).toBe(true)
  })
})

describe('life', () => {
  test('events come in BullMQ’s order', async () => {
    const events: string[] = []
    const worker = work(() => undefined, { autorun: false })
    for (const event of [
      'ready',
      'active',
      'completed',
      'drained',
      'paused',
      'resumed',
      'closing',
      'closed',
    ] as const) {
      worker.on(event, () => events.push(event))
    }
    expect(worker.isRunning()).toBe(false)
    const ready = once(worker, 'ready')
    const run = worker.run()
    await ready
    await queueOf().add({ n: '1' })
    await until('done', async () => events.includes('drained'))
    await worker.pause()
    worker.resume()
    await worker.close()
    await run
    expect(events.filter((event, index) => events.indexOf(event) === index)).toEqual(
      expect.arrayContaining(['ready', 'active', 'completed', 'drained', 'paused', 'resumed', 'closing', 'closed']),
    )
    expect(events[0]).toBe('ready')
    expect(events.slice(-4)).toEqual(['paused', 'resumed', 'closing', 'closed'])
    await expect(worker.run()).rejects.toThrow(/is closed/)
  })

  test('close waits for handlers, acknowledges them, leaves the group, and is memoised', async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(() => gate.promise)
    await queueOf().addBulk(jobs(3))
    await until('3 running', () => worker.inFlight === 3)
    const [first, second] = [worker.close(), worker.close()]
    expect(first).toBe(second)
    gate.resolve()
    await first
    expect([await redis.probe.xlen(name), await pendingOf()]).toEqual([0, 0])
    expect(await redis.probe.xinfo('CONSUMERS', name, GROUP)).toEqual([])
  })

  test('close with a deadline aborts by signal and leaves the rest pending, claimable at once', async () => {
    const aborted: string[] = []
    const worker = work(
      (entry, signal) => new Promise<void>(() => signal.addEventListener('abort', () => aborted.push(entry.id))),
    )
    await queueOf().addBulk(jobs(2))
    await until('2 running', () => worker.inFlight === 2)
    await worker.close(false, AbortSignal.timeout(50))
    expect(aborted).toHaveLength(2)
    expect(await pendingOf()).toBe(2)
    let done = 0
    work(() => void done++)
    await until('another has them', () => done === 2)
  })

  test('pause reads nothing more and waits for handlers; resume goes on', async () => {
    let done = 0
    const worker = work(() => void done++)
    await queueOf().addBulk(jobs(5))
    await until('5 done', () => done === 5)
    await worker.pause()
    await queueOf().addBulk(jobs(5))
    expect(worker.isPaused()).toBe(true)
    worker.resume()
    await until('10 done', () => done === 10)
  })

  test('a queue paused in Redis pauses every worker within a second, and resumes them', async () => {
    let done = 0
    const [one, two] = [work(() => void done++), work(() => void done++)]
    await Promise.all([once(one, 'ready'), once(two, 'ready')])
    const paused = Promise.all([once(one, 'paused'), once(two, 'paused')])
    const startedAt = Date.now()
    await queueOf().pause()
    await paused
    expect(Date.now() - startedAt).toBeLessThan(1500)
    await queueOf().addBulk(jobs(5))
    expect(await queueOf().isPaused()).toBe(true)
    expect(done).toBe(0)
    await queueOf().resume()
    await until('5 done', () => done === 5)
  })
})

describe('recovery', () => {
  test('after FLUSHALL an XADD succeeds without a group: the worker makes it again at 0', async () => {
    let done = 0
    const worker = work(() => void done++)
    await once(worker, 'ready')
    await queueOf().add({ n: '1' })
    await until('1 done', () => done === 1)
    await redis.probe.flushall()
    await queueOf().addBulk(jobs(3))
    await until('4 done', () => done === 4)
  })

  test('a dead consumer’s entries are taken after min-idle, their deliveries counted', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(3))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 3, 'STREAMS', name, '>')
    const deliveries: number[] = []
    const worker = work(entry => void deliveries.push(entry.deliveries), { claimMinIdleMs: 300 })
    const stalled = once(worker, 'stalled')
    await until('3 done', () => deliveries.length === 3)
    await stalled
    expect(deliveries).toEqual([2, 2, 2])
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
  })

  test('deliveries whose processes died lead to poison: dead letter first, then the acknowledgement', async () => {
    await queueOf().ensureGroup()
    const id = await queueOf().add({ n: '1' })
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 1, 'STREAMS', name, '>')
    for (let claim = 0; claim < 5; claim++) await redis.probe.xclaim(name, GROUP, 'dead', 0, id)
    let handled = 0
    const poisoned: number[] = []
    work(() => void handled++, {
      claimMinIdleMs: 200,
      maxDeliveries: 5,
      onPoison: entry => void poisoned.push(entry.deliveries),
    })
    await until('a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 1)
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect([handled, poisoned]).toEqual([0, [7]])
  })

  test('a long handler is kept alive by heartbeats that count no delivery, and nobody takes its entry', async () => {
    const gate = Promise.withResolvers<void>()
    let [first, second] = [0, 0]
    work(
      async () => {
        first += 1
        await gate.promise
      },
      { claimMinIdleMs: 600 },
    )
    await queueOf().add({ n: '1' })
    await until('it runs', () => first === 1)
    work(() => void second++, { claimMinIdleMs: 600 })
    const startedAt = Date.now()
    await until('three min-idles', () => Date.now() - startedAt > 1800)
    const [row] = (await redis.probe.xpending(name, GROUP, '-', '+', 1)) as [string, string, number, number][]
    expect(row?.[3]).toBe(1)
    expect([first, second]).toEqual([1, 0])
    gate.resolve()
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
  })

  test('an entry that another consumer has taken is never stolen back', async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(() => gate.promise, { claimMinIdleMs: 600 })
    const id = await queueOf().add({ n: '1' })
    await until('it runs', () => worker.inFlight === 1)
    const stalled = once(worker, 'stalled')
    await redis.probe.xclaim(name, GROUP, 'other', 0, id, 'IDLE', 0)
    await stalled
    const [row] = (await redis.probe.xpending(name, GROUP, '-', '+', 1)) as [string, string, number, number][]
    expect(row?.[1]).toBe('other')
    gate.resolve()
    await until('acknowledged by whoever is done', async () => (await redis.probe.xlen(name)) === 0)
  })

  test('own pending entries that were never heard of are found after a reconnect, those in hand are not run twice', async () => {
    const seen: string[] = []
    const gate = Promise.withResolvers<void>()
    const worker = work(async entry => {
      seen.push(entry.fields.n)
      await gate.promise
    })
    await queueOf().add({ n: 'in hand' })
    await until('in hand', () => seen.length === 1)
    // The reply that handed this one out is lost: the server says it is ours, and we never saw it.
    await worker.pause(true)
    await redis.probe.xadd(name, '*', 'n', 'lost')
    await redis.probe.xreadgroup('GROUP', GROUP, worker.consumer, 'COUNT', 1, 'STREAMS', name, '>')
    await redis.probe.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    worker.resume()
    await until('the lost one', () => seen.includes('lost'))
    gate.resolve()
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect(seen.sort()).toEqual(['in hand', 'lost'])
  })

  test('an acknowledgement that failed is tried again, never forgotten', async () => {
    const gate = Promise.withResolvers<void>()
    let done = 0
    const worker = work(async () => {
      await gate.promise
      done += 1
    })
    worker.on('error', () => undefined)
    await queueOf().addBulk(jobs(20))
    await until('10 running', () => worker.inFlight === 10)
    await redis.probe.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    gate.resolve()
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect(done).toBe(20)
  })

  test('a consumer that holds something is not removed; one that holds nothing is', async () => {
    const { ConsumerGroup } = await import('#stream/group.ts')
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(1))
    await redis.probe.xreadgroup('GROUP', GROUP, 'holds', 'COUNT', 1, 'STREAMS', name, '>')
    await redis.probe.xgroup('CREATECONSUMER', name, GROUP, 'empty')
    const group = new ConsumerGroup(connection, { stream: name, group: GROUP, consumer: 'me' })
    expect(await group.removeDeadConsumers(0)).toBe(1)
    expect(await pendingOf()).toBe(1)
    const consumers = (await redis.probe.xinfo('CONSUMERS', name, GROUP)) as string[][]
    expect(consumers.map(consumer => consumer[1])).toEqual(['holds'])
  })
})

describe('a shared pool', () => {
  function poolOf(maxInFlight: number) {
    const pool = new StreamPool({ connection, maxInFlight })
    pools.push(pool)
    return pool
  }

  test('never more at once than maxInFlight, over all streams; all are done', async () => {
    const pool = poolOf(5)
    let [running, most, done] = [0, 0, 0]
    const handler = async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise(resolve => setTimeout(resolve, 2))
      running -= 1
      done += 1
    }
    const streams = ['a', 'b', 'c'].map(part => `${name}-${part}`)
    for (const stream of streams) {
      work(handler, { pool, concurrency: 20 }, stream)
      await queueOf(stream).addBulk(jobs(40))
    }
    await until('120 done', () => done === 120)
    expect(most).toBeLessThanOrEqual(5)
  })

  test('a busy stream does not starve another: 50 entries are done while most of the backlog remains', async () => {
    const pool = poolOf(10)
    let busy = 0
    const slow = () => new Promise<void>(resolve => setTimeout(resolve, 5))
    work(() => slow().then(() => void busy++), { pool, concurrency: 100 }, `${name}-busy`)
    await queueOf(`${name}-busy`).addBulk(jobs(2000))
    await until('the busy one is under way', () => busy > 20)
    let late = 0
    work(() => slow().then(() => void late++), { pool, concurrency: 100 }, `${name}-late`)
    await queueOf(`${name}-late`).addBulk(jobs(50))
    await until('the late one is done', () => late === 50)
    expect(busy).toBeLessThan(600)
  })

  test('idle streams are watched by a peek; a new entry in any of them is picked up, also after FLUSHALL', async () => {
    const pool = poolOf(50)
    const seen: string[] = []
    const streams = Array.from({ length: 40 }, (_, index) => `${name}-${index}`)
    for (const stream of streams) work(entry => void seen.push(entry.stream), { pool }, stream)
    await Promise.all(workers.map(worker => once(worker, 'ready')))
    for (const stream of [streams[3]!, streams[39]!, streams[3]!]) {
      const before = seen.length
      await queueOf(stream).add({ n: '1' })
      await until(`an entry of ${stream}`, () => seen.length === before + 1)
    }
    await redis.probe.flushall()
    await queueOf(streams[7]!).add({ n: '1' })
    await until('an entry after FLUSHALL', () => seen.at(-1) === streams[7])
  })
})

describe('the queue', () => {
  test('what others acknowledged without deleting is trimmed, but not beside a second group', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(10))
    const read = (await redis.probe.xreadgroup('GROUP', GROUP, 'spring', 'COUNT', 6, 'STREAMS', name, '>')) as [
      string,
      [string, string[]][],
    ][]
    const ids = read[0]![1].map(([id]) => id)
    await redis.probe.xack(name, GROUP, ...ids.slice(0, 4))
    await redis.probe.xgroup('CREATE', name, 'zz-others', '0')
    expect(await queueOf().trimAcknowledged()).toBe(0)
    await redis.probe.xgroup('DESTROY', name, 'zz-others')
    expect(await queueOf().trimAcknowledged()).toBe(4)
    expect(await queueOf().counts()).toEqual({ length: 6, pending: 2, waiting: 4 })
    await redis.probe.xack(name, GROUP, ...ids)
    expect(await queueOf().trimAcknowledged()).toBe(2)
    expect(await queueOf().counts()).toEqual({ length: 4, pending: 0, waiting: 4 })
  })

  test('addBulk keeps order, field texts and MAXLEN; remove refuses while something is left', async () => {
    const queue = new StreamQueue<Job>(name, { connection, group: GROUP, maxLen: 100 })
    await queue.addBulk(jobs(1500).map(({ n }) => ({ n: `${n} \u{1F381} "x"` })))
    expect(await queue.length()).toBeLessThanOrEqual(200)
    const [last] = (await redis.probe.xrevrange(name, '+', '-', 'COUNT', 1)) as [string, string[]][]
    expect(last?.[1]).toEqual(['n', '1499 \u{1F381} "x"'])
    expect(await queue.remove()).toBe(false)
    await queue.obliterate()
    expect(await queue.remove()).toBe(true)
  })

  test('highWaterMark: refuses with a typed error, or waits until there is room', async () => {
    const options = { connection, group: GROUP }
    const refusing = new StreamQueue<Job>(name, { ...options, highWaterMark: { length: 3, onFull: 'refuse' } })
    await refusing.addBulk(jobs(3))
    await expect(refusing.add({ n: '4' })).rejects.toMatchObject({ code: 'STREAM_FULL', canRetry: true })
    const waiting = new StreamQueue<Job>(name, { ...options, highWaterMark: { length: 3, onFull: 'wait' } })
    const adding = waiting.add({ n: '5' })
    work(() => undefined)
    await adding
  })

  test('an eviction policy that may delete a stream is refused with a clear error', async () => {
    await redis.probe.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const other = createStreamConnection({ url: redis.url })
    await expect(other.ready()).rejects.toMatchObject({ code: 'STREAM_EVICTION' })
    const warned = createStreamConnection({ url: redis.url, allowEviction: true })
    await warned.ready()
    await redis.probe.config('SET', 'maxmemory-policy', 'noeviction')
    await Promise.all([other.close(), warned.close()])
  })

  test('out of memory: an add is refused with a typed error, nothing is lost', async () => {
    await redis.probe.config('SET', 'maxmemory', '1')
    await expect(queueOf().add({ n: '1' })).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
    await redis.probe.config('SET', 'maxmemory', '0')
  })
})
