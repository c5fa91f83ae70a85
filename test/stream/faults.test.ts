import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createStreamConnection, type StreamConnection, StreamQueue } from '#stream/index.ts'
import { type LossyProxy, startLossyProxy } from '../support/lossy-proxy.ts'
import { until } from '../support/redis.ts'
import {
  GROUP,
  type Job,
  jobs,
  name,
  pendingOf,
  poolOf,
  queueOf,
  redis,
  useRedis,
  work,
  workers,
} from '../support/stream-harness.ts'

useRedis()

/** What acknowledges: a script, or XACKDEL where the server has it. */
const ACK = /\b(eval|evalsha|xackdel)\b/i
const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('a reply that never came', () => {
  let proxy: LossyProxy
  let lossy: StreamConnection

  beforeAll(async () => {
    proxy = await startLossyProxy(redis.url)
    lossy = createStreamConnection({ url: proxy.url })
    await lossy.ready()
  })
  afterAll(async () => {
    await lossy.close()
    await proxy.stop()
  })

  test('to XREADGROUP: what it handed out is found at once, and run once', async () => {
    const seen: string[] = []
    const worker = work(entry => void seen.push(entry.fields.n), { connection: lossy })
    await once(worker, 'ready')
    const lost = proxy.loseReply('reply', /never-heard-of/)
    await queueOf().addBulk([{ n: 'never-heard-of' }, { n: 'its neighbour' }])
    await lost
    const lostAt = performance.now()
    await until('both done', () => seen.length === 2)
    // Not only after the read has run into the time-out of a command.
    expect(performance.now() - lostAt).toBeLessThan(2500)
    await until('an empty stream', isEmptied)
    expect([seen.sort(), await pendingOf()]).toEqual([['its neighbour', 'never-heard-of'], 0])
  })

  test('to XADD: it rejects, and the entry is on the stream once: nothing is sent again behind the caller’s back', async () => {
    const lost = proxy.loseReply('request', /added-unheard/)
    const adding = new StreamQueue<Job>(name, { connection: lossy }).add({ n: 'added-unheard' })
    await expect(adding).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', canRetry: true })
    await lost
    await lossy.client.ping().catch(() => undefined)
    await until('the connection is back', () => lossy.isUsable)
    await lossy.client.ping()
    expect(await redis.probe.xlen(name)).toBe(1)
  })

  test('to an acknowledgement: it is sent again, the handler is not run again', async () => {
    let done = 0
    const gate = Promise.withResolvers<void>()
    const worker = work(
      async () => {
        await gate.promise
        done += 1
      },
      { connection: lossy },
    )
    worker.on('error', () => undefined)
    await queueOf().addBulk(jobs(3))
    await until('3 running', () => worker.inFlight === 3)
    const lost = proxy.loseReply('request', ACK)
    gate.resolve()
    await lost
    await until('an empty stream', isEmptied)
    await worker.close()
    expect([done, await pendingOf()]).toEqual([3, 0])
  })
})

describe('Redis', () => {
  test('restarted between handler and acknowledgement: the ack is tried again, quietly, and nothing is run twice', async () => {
    const gates: (() => void)[] = []
    const seen: string[] = []
    const worker = work(
      async entry => {
        await new Promise<void>(resolve => gates.push(resolve))
        seen.push(entry.fields.n)
      },
      { concurrency: 40 },
    )
    let errors = 0
    worker.on('error', () => void errors++)
    await queueOf().addBulk(jobs(40))
    await until('40 running', () => gates.length === 40)
    await redis.server.stop()
    try {
      const startedAt = performance.now()
      for (const [index, open] of gates.splice(0).entries()) {
        open()
        await until('it is through', () => seen.length === index + 1)
      }
      await until('a second without Redis', () => performance.now() - startedAt > 1000)
    } finally {
      await redis.server.start()
    }
    // One attempt each 200 ms, not one for each entry that became done meanwhile.
    expect(errors).toBeLessThan(25)
    await until('an empty stream', () => isEmptied().catch(() => false))
    expect([new Set(seen).size, seen.length, await pendingOf()]).toEqual([40, 40, 0])
  })

  test('an entry deleted by somebody while it was pending is acknowledged, not handled', async () => {
    await queueOf().ensureGroup()
    const [id, other] = await queueOf().addBulk(jobs(2))
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
    const other = createStreamConnection({ url: redis.url })
    await other.ready()
    const mark = { length: 3, onFull: 'refuse' } as const
    const queue = new StreamQueue<Job>(name, { connection: other, group: GROUP, highWaterMark: mark })
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
    await redis.probe.call('CLIENT', 'PAUSE', 300, 'ALL')
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
