import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import {
  connection,
  cutConnections,
  GROUP,
  type Job,
  jobs,
  name,
  otherConnection,
  pendingOf,
  poolOf,
  queueOf,
  redis,
  work,
  workers,
} from '../../support/stream-harness.ts'

describe('recovery', () => {
  test('after FLUSHALL an XADD succeeds without a group: the worker makes it again at 0', async () => {
    let done = 0
    const worker = work(() => void done++)
    await once(worker, 'ready')
    await queueOf().add({ n: '1' })
    await until('1 done', () => done === 1)
    await redis.onEach(node => node.flushall())
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
    const { id } = await queueOf().add({ n: '1' })
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
    const { id } = await queueOf().add({ n: '1' })
    await until('it runs', () => worker.inFlight === 1)
    const stalled = once(worker, 'stalled')
    await redis.probe.xclaim(name, GROUP, 'other', 0, id, 'IDLE', 0)
    await stalled
    const [row] = (await redis.probe.xpending(name, GROUP, '-', '+', 1)) as [string, string, number, number][]
    expect(row?.[1]).toBe('other')
    gate.resolve()
    await until('acknowledged by whoever is done', async () => (await redis.probe.xlen(name)) === 0)
  })

  test('own pending entries that were never heard of are found after a reconnect, those in flight are not run twice', async () => {
    const seen: string[] = []
    const gate = Promise.withResolvers<void>()
    const worker = work(async entry => {
      seen.push(entry.fields.n)
      await gate.promise
    })
    await queueOf().add({ n: 'in flight' })
    await until('in flight', () => seen.length === 1)
    // The reply that handed this one out is lost: the server says it is ours, and we never saw it.
    await worker.pause(true)
    await redis.probe.xadd(name, '*', 'n', 'lost')
    await redis.probe.xreadgroup('GROUP', GROUP, worker.consumer, 'COUNT', 1, 'STREAMS', name, '>')
    await cutConnections()
    worker.resume()
    await until('the lost one', () => seen.includes('lost'))
    gate.resolve()
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect(seen.sort()).toEqual(['in flight', 'lost'])
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
    await cutConnections()
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

  test('by weight: three times as many slots, changed while they run; all of them again when it is alone', async () => {
    const pool = poolOf(16)
    const running = [0, 0]
    const [heavy, light] = [`${name}-heavy`, `${name}-light`]
    const handler = (index: 0 | 1) => async () => {
      running[index]! += 1
      await new Promise(resolve => setTimeout(resolve, 5))
      running[index]! -= 1
    }
    const one = work(handler(0), { pool, concurrency: 100, weight: 3 }, heavy)
    const other = work(handler(1), { pool, concurrency: 100 }, light)
    await queueOf(heavy).addBulk(jobs(4000))
    await queueOf(light).addBulk(jobs(4000))
    const is = (...slots: [number, number]) => running[0] === slots[0] && running[1] === slots[1]
    await until('three to one', () => is(12, 4))
    one.weight = 1
    other.weight = 7
    await until('one to seven', () => is(2, 14))
    pool.maxInFlight = 8
    await until('half the slots', () => is(1, 7))
    await other.pause()
    await until('all of them', () => is(8, 0))
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
    await redis.onEach(node => node.flushall())
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
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection, group: GROUP, maxLen: 100 })
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
    const refusing = new StreamQueue<Job>(name, {
      codec: 'flat',
      ...options,
      highWaterMark: { length: 3, onFull: 'refuse' },
    })
    await refusing.addBulk(jobs(3))
    await expect(refusing.add({ n: '4' })).rejects.toMatchObject({ code: 'STREAM_FULL', canRetry: true })
    const waiting = new StreamQueue<Job>(name, {
      codec: 'flat',
      ...options,
      highWaterMark: { length: 3, onFull: 'wait' },
    })
    const adding = waiting.add({ n: '5' })
    work(() => undefined)
    await adding
  })

  test('an eviction policy that may delete a stream is refused with a clear error; set right, the same connection works', async () => {
    await redis.onEach(node => node.config('SET', 'maxmemory-policy', 'allkeys-lru'))
    const other = otherConnection()
    await expect(other.ready()).rejects.toMatchObject({ code: 'STREAM_EVICTION' })
    await redis.onEach(node => node.config('SET', 'maxmemory-policy', 'noeviction'))
    await other.ready()
    await redis.onEach(node => node.config('SET', 'maxmemory-policy', 'allkeys-lru'))
    const warned = otherConnection({ allowEviction: true })
    await warned.ready()
    await redis.onEach(node => node.config('SET', 'maxmemory-policy', 'noeviction'))
    await Promise.all([other.close(), warned.close()])
  })

  test('out of memory: an add is refused with a typed error, nothing is lost', async () => {
    await redis.onEach(node => node.config('SET', 'maxmemory', '1'))
    await expect(queueOf().add({ n: '1' })).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
    await redis.onEach(node => node.config('SET', 'maxmemory', '0'))
  })
})
