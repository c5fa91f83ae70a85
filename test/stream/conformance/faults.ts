import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import {
  GROUP,
  idsOf,
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

const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('Redis', () => {
  test('an entry deleted by somebody while it was pending is acknowledged, not handled', async () => {
    await queueOf().ensureGroup()
    const [id, other] = idsOf(await queueOf().addBulk(jobs(2)))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 2, 'STREAMS', name, '>')
    await redis.probe.xdel(name, id!)
    const handled: string[] = []
    work(entry => void handled.push(entry.id), { claimMinIdleMs: 200 })
    await until('nothing pending', async () => (await pendingOf()) === 0)
    expect(handled).toEqual([other])
  })

  test('a dead letter that cannot be written keeps its entry: written first, acknowledged then', async () => {
    await redis.probe.set(`${name}:dead-letter`, 'not a stream')
    const worker = work(
      () => {
        throw new Error('boom')
      },
      { maxDeliveries: 1, maxBackoffMs: 10 },
    )
    await once(worker, 'ready')
    const failed = once(worker, 'error')
    await queueOf().add({ n: '1' })
    const [error] = (await failed) as [Error]
    expect(error.message).toContain(`XADD to ${name}:dead-letter failed`)
    expect([await redis.probe.xlen(name), await pendingOf()]).toEqual([1, 1])
    await redis.probe.del(`${name}:dead-letter`)
    await until('an empty stream', isEmptied)
    expect(await redis.probe.xlen(`${name}:dead-letter`)).toBe(1)
  })

  test('a key of another type among the idle streams of a pool does not blind the others', async () => {
    const pool = poolOf(10)
    const seen: string[] = []
    const streams = Array.from({ length: 30 }, (_, index) => `${name}-${index}`)
    for (const stream of streams) {
      work(entry => void seen.push(entry.stream), { pool }, stream).on('error', () => undefined)
    }
    await Promise.all(workers.map(worker => once(worker, 'ready')))
    const [odd, ...others] = streams as [string, ...string[]]
    await redis.probe.set(odd, 'not a stream')
    await Promise.all(others.map(stream => queueOf(stream).add({ n: '1' })))
    await until('an entry of each of the others', () => seen.length === others.length, 3000)
    await redis.probe.del(odd)
    await queueOf(odd).add({ n: '1' })
    await until('an entry of the odd one', () => seen.at(-1) === odd)
  })

  test('away while a queue with a highWaterMark looks for room: add rejects with its own error', async () => {
    const other = otherConnection()
    await other.ready()
    const mark = { length: 3, onFull: 'refuse' } as const
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection: other, group: GROUP, highWaterMark: mark })
    await other.close()
    await expect(queue.add({ n: '1' })).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
  })
})

describe('close and pause while a read is under way', () => {
  /** Redis answers the read only when the worker has already been told to stop. */
  async function withSlowRead(stop: (worker: ReturnType<typeof work>) => Promise<void>) {
    const gate = Promise.withResolvers<void>()
    let [begun, done] = [0, 0]
    const worker = work(async () => {
      begun += 1
      await gate.promise
      done += 1
    })
    await once(worker, 'ready')
    await worker.pause()
    await queueOf().addBulk(jobs(3))
    await redis.onEach(node => node.call('CLIENT', 'PAUSE', 300, 'ALL'))
    worker.resume()
    // The read goes out in the next turns of the event loop.
    const { lastPollAt } = worker
    await until('the read is under way', () => worker.lastPollAt !== lastPollAt)
    const stopped = stop(worker)
    await until('3 begun', () => begun === 3)
    let isStopped = false
    void stopped.then(() => {
      isStopped = true
    })
    await redis.probe.ping()
    expect(isStopped).toBe(false)
    gate.resolve()
    await stopped
    expect(done).toBe(3)
  }

  test('pause waits for the handlers of what it brings', async () => {
    await withSlowRead(worker => worker.pause())
  })

  test('close waits for them too, and acknowledges: nobody else gets them', async () => {
    await withSlowRead(worker => worker.close())
    expect([await redis.probe.xlen(name), await pendingOf()]).toEqual([0, 0])
  })
})

describe('what a handler or a listener may do', () => {
  test('a handler’s return value, as in BullMQ, means done; a thenable is waited for', async () => {
    const done: string[] = []
    const asked = Promise.withResolvers<() => void>()
    const handlers = [
      async () => ({ kind: 'anything' }) as never,
      () => 'sent' as never,
      // biome-ignore lint/suspicious/noThenProperty: a promise of another maker is what the test is about.
      () => ({ then: (resolve: () => void) => asked.resolve(resolve) }) as never,
    ]
    const worker = work(entry => handlers[Number(entry.fields.n)]!())
    worker.on('completed', entry => done.push(entry.fields.n))
    await queueOf().addBulk(jobs(3))
    const finish = await asked.promise
    await until('2 done', async () => done.length === 2 && (await redis.probe.xlen(name)) === 1)
    expect(worker.inFlight).toBe(1)
    finish()
    await until('an empty stream', isEmptied)
    expect(done).toEqual(['1', '0', '2'])
    expect(await redis.probe.exists(`${name}:dead-letter`)).toBe(0)
  })

  test('an async listener that rejects harms nothing', async () => {
    const worker = work(() => undefined)
    let heard = 0
    worker.on('completed', async () => {
      heard += 1
      throw new Error('a bad listener')
    })
    await queueOf().addBulk(jobs(5))
    await until('5 heard', () => heard === 5)
    await until('an empty stream', isEmptied)
    expect(worker.isRunning()).toBe(true)
  })

  test('fields of any name and text arrive as they were added', async () => {
    const fields = [
      ['__proto__', 'x'],
      ['', 'empty name'],
      ['constructor', ''],
      ['n', '\u0000\u{1F381}"\n'],
    ].flat()
    await redis.probe.xadd(name, '*', ...fields)
    const seen: [string, string][] = []
    work(entry => void seen.push(...Object.entries(entry.fields)))
    await until('it is handled', () => seen.length > 0)
    expect(seen.flat()).toEqual(fields)
  })
})
