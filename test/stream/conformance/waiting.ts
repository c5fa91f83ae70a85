import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { retryLater, StreamPool, StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { slowTest } from '../../support/slow-test.ts'
import {
  abandoned,
  connection,
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
} from '../../support/stream-harness.ts'

type Pending = [id: string, owner: string, idleMs: number, deliveries: number]
const isEmptied = async () => (await redis.probe.xlen(name)) === 0

describe('a delayed entry holds no slot', () => {
  test('with concurrency 1 the entry behind a failing one does not wait for it', async () => {
    const done: string[] = []
    work(
      entry => {
        if (entry.fields.n === '0') throw new Error('boom')
        done.push(entry.fields.n)
      },
      { concurrency: 1, backoff: 60_000 },
    )
    await queueOf().addBulk(jobs(20))
    await until('the others are done', () => done.length === 19)
    expect(await redis.probe.exists(`${name}:dead-letter`)).toBe(0)
  })

  test('as many as there are slots wait for a minute: a hundred others are done', async () => {
    const done = new Set<string>()
    work(({ fields }) => {
      if (Number(fields.n) < 10) return retryLater({ delayMs: 60_000, reason: 'not now' })
      done.add(fields.n)
      return undefined
    })
    await queueOf().addBulk(jobs(110))
    await until('a hundred are done', () => done.size === 100)
    await until('they are acknowledged', async () => (await redis.probe.xlen(name)) === 10)
  })

  test.each([2 ** 31, 25 * 24 * 3_600_000, Number.POSITIVE_INFINITY])(
    'a pause of %d ms is no hot loop',
    async delayMs => {
      let calls = 0
      const worker = work(() => {
        calls += 1
        return retryLater({ delayMs, reason: 'much later' })
      })
      await queueOf().add({ n: '1' })
      await until('it was asked', () => calls > 0)
      await sleep(150)
      expect([calls, worker.inFlight]).toEqual([1, 0])
    },
  )

  test('a pause that is no number is the handler’s failure, in words', async () => {
    const worker = work(() => retryLater({ delayMs: Number.NaN, reason: 'x' }))
    const raw = work(() => ({ kind: 'retry-later', delayMs: 'soon', reason: 'x' }) as never, {}, `${name}-raw`)
    const failures = [once(worker, 'failed'), once(raw, 'failed')]
    await queueOf().add({ n: '1' })
    await queueOf(`${name}-raw`).add({ n: '1' })
    for (const [, error] of (await Promise.all(failures)) as [unknown, Error][]) {
      expect(error.message).toBe('retryLater: delayMs must be a number of ms')
    }
  })

  test('a delay of a second and more survives the restart of its worker', async () => {
    const calledAt: number[] = []
    const handler = () => {
      calledAt.push(performance.now())
      return calledAt.length === 1 ? retryLater({ delayMs: 2000, reason: 'not now' }) : undefined
    }
    await queueOf().ensureGroup()
    const first = work(handler, { claimMinIdleMs: 300 })
    await queueOf().add({ n: '1' })
    await until('the delay is written down', async () => {
      const [row] = (await redis.probe.xpending(name, GROUP, '-', '+', 1)) as [string][]
      return row !== undefined && (await redis.probe.exists(`${name}:delay:${row[0]}`)) === 1
    })
    await redis.probe.ping()
    abandoned.add(first.consumer)
    await first.close()
    work(handler, { claimMinIdleMs: 300 })
    await until('an empty stream', isEmptied)
    expect(Number(calledAt[1]) - Number(calledAt[0])).toBeGreaterThan(1900)
  })
})

describe('paused', () => {
  test('a worker that starts on a paused queue handles nothing, until the queue is resumed', async () => {
    await queueOf().pause()
    await queueOf().addBulk(jobs(5))
    let done = 0
    const worker = work(() => void done++)
    await once(worker, 'paused')
    await sleep(300)
    expect([done, worker.lastPollAt]).toEqual([0, 0])
    await queueOf().resume()
    await until('5 done', () => done === 5)
  })

  test('a paused worker keeps nobody from what it has delayed', async () => {
    let [first, second] = [0, 0]
    const options = { claimMinIdleMs: 30_000 }
    const worker = work(() => {
      first += 1
      return retryLater({ delayMs: 200, reason: 'not now' })
    }, options)
    await queueOf().add({ n: '1' })
    await until('it is delayed', () => first === 1)
    await worker.pause()
    work(() => void second++, options)
    await until('the other has done it', () => second === 1)
    expect(first).toBe(1)
  })

  test('`paused` is said, and pause() resolves, when no handler runs and what was done is acknowledged', async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(() => gate.promise)
    await queueOf().addBulk(jobs(3))
    await until('3 run', () => worker.inFlight === 3)
    let isSaid = false
    worker.on('paused', () => {
      isSaid = true
    })
    const pausing = worker.pause()
    await redis.probe.ping()
    expect([worker.isPaused(), isSaid]).toEqual([true, false])
    gate.resolve()
    await pausing
    expect([isSaid, worker.inFlight, await redis.probe.xlen(name)]).toEqual([true, 0, 0])
  })

  test('of a paused queue `paused` is said no sooner either', async () => {
    const gate = Promise.withResolvers<void>()
    const done: string[] = []
    const worker = work(() => gate.promise, { hooks: { acknowledged: ids => void done.push(...ids) } })
    await queueOf().addBulk(jobs(3))
    await until('3 run', () => worker.inFlight === 3)
    const said: number[][] = []
    worker.on('paused', () => void said.push([worker.inFlight, done.length]))
    await queueOf().pause()
    // It is looked up twice a second.
    await sleep(1200)
    expect(said).toEqual([])
    gate.resolve()
    await until('it is said', () => said.length > 0)
    expect(said).toEqual([[0, 3]])
  })
})

describe('an entry that is claimed while its worker stops', () => {
  test.each(['closes', 'pauses'] as const)('is given up at once to others, when it %s', async how => {
    const MIN_IDLE_MS = 20_000
    const own = otherConnection()
    await own.ready()
    await queueOf().ensureGroup()
    const { id } = await queueOf().add({ n: '1' })
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 1, 'STREAMS', name, '>')
    let [first, second] = [0, 0]
    // Two streams are looked at, and a read asks for one entry: none under way has the slots that a claim needs.
    const pool = new StreamPool({ connection: own, maxInFlight: 20 })
    const options = { claimMinIdleMs: MIN_IDLE_MS, connection: own, pool, readCount: 1 }
    const worker = work(() => void first++, options)
    const neighbour = work(() => undefined, options, `${name}-neighbour`)
    abandoned.add(worker.consumer)
    await Promise.all([once(worker, 'ready'), once(neighbour, 'ready')])
    await sleep(500)
    // It is stale a moment later, when the server answers nobody; a worker claims once a second.
    await redis.probe.xclaim(name, GROUP, 'dead', 0, id, 'IDLE', MIN_IDLE_MS - 1000, 'JUSTID')
    await redis.onEach(node => node.call('CLIENT', 'PAUSE', 2500, 'ALL'))
    await sleep(1900)
    await (how === 'closes' ? worker.close() : worker.pause())
    await neighbour.close()
    if (how === 'closes') await own.close()
    const row = async () => ((await redis.probe.xpending(name, GROUP, '-', '+', 1)) as Pending[])[0]
    await until('the claim has been answered', async () => (await row())?.[1] === worker.consumer)
    await until('it is given up', async () => Number((await row())?.[2]) >= MIN_IDLE_MS, 4000)
    work(() => void second++, { claimMinIdleMs: MIN_IDLE_MS })
    await until('another has done it', () => second === 1)
    expect(first).toBe(0)
    await worker.close()
    await own.close()
  })
})

describe('drained', () => {
  test('comes once each time that the stream ran empty, also with as many entries as slots', async () => {
    let [done, drained] = [0, 0]
    const worker = work(() => void done++, { concurrency: 5 })
    worker.on('drained', () => drained++)
    for (const [round, count] of [5, 10, 3, 1].entries()) {
      await queueOf().addBulk(jobs(count))
      await until('it is said', () => drained > round)
      await sleep(200)
      expect(drained).toBe(round + 1)
    }
    expect(done).toBe(19)
  })
})

describe('a shared pool', () => {
  test('that shrinks to one stream finds what a dead consumer left on it', async () => {
    const pool = poolOf(10)
    let done = 0
    const options = { pool, claimMinIdleMs: 500 }
    await once(
      work(() => void done++, options),
      'ready',
    )
    const neighbour = work(() => undefined, options, `${name}-neighbour`)
    await once(neighbour, 'ready')
    // Long enough for a look at both streams, which are empty.
    await sleep(1600)
    await neighbour.close()
    await redis.probe.xadd(name, '*', 'n', '1')
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 1, 'STREAMS', name, '>')
    await until('it is taken over', () => done === 1)
  })

  slowTest('finds what the server has forgotten to have handed out, behind the last id seen', async () => {
    const pool = poolOf(10)
    const seen: string[] = []
    await once(
      work(entry => void seen.push(entry.fields.n), { pool }),
      'ready',
    )
    await once(
      work(() => undefined, { pool }, `${name}-neighbour`),
      'ready',
    )
    const { id } = await queueOf().add({ n: '0' })
    await until('the first is done', async () => seen.length === 1 && (await isEmptied()))
    await queueOf().addBulk(jobs(3, 1))
    await redis.probe.xreadgroup('GROUP', GROUP, 'other', 'COUNT', 3, 'STREAMS', name, '>')
    await sleep(600)
    await redis.probe.xgroup('DELCONSUMER', name, GROUP, 'other')
    await redis.probe.xgroup('SETID', name, GROUP, id)
    await until('all are done', () => new Set(seen).size === 4)
  })
})

describe('a second consumer group', () => {
  test('loses nothing, is told of, and the stream is emptied once both are through', async () => {
    const queue = new StreamQueue<Job>(name, { codec: 'flat', connection, group: GROUP })
    await queue.ensureGroup()
    await queue.ensureGroup('second')
    const [seen, codes] = [[new Set<string>(), new Set<string>()] as const, new Set<string>()]
    const first = work(entry => void seen[0].add(entry.fields.n))
    const second = work(
      async entry => {
        await sleep(5)
        seen[1].add(entry.fields.n)
      },
      { group: 'second' },
    )
    for (const worker of [first, second])
      worker.on('error', error => codes.add((error as { code?: string }).code ?? ''))
    await until('it is told at the start', () => codes.has('STREAM_OTHER_GROUP'))
    await queue.addBulk(jobs(200))
    await until('an empty stream', isEmptied)
    expect([seen[0].size, seen[1].size, [...codes]]).toEqual([200, 200, ['STREAM_OTHER_GROUP']])
  })

  test('that comes later is told of, and keeps what it was given until it has acknowledged it', async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(() => gate.promise)
    const codes = new Set<string | undefined>()
    worker.on('error', error => codes.add((error as { code?: string }).code))
    await once(worker, 'ready')
    const { id } = await queueOf().add({ n: '1' })
    await until('it runs', () => worker.inFlight === 1)
    await redis.probe.xgroup('CREATE', name, 'second', '0')
    await redis.probe.xreadgroup('GROUP', 'second', 'other', 'COUNT', 1, 'STREAMS', name, '>')
    gate.resolve()
    await until('the first has acknowledged it', async () => (await pendingOf()) === 0)
    await until('it is told', () => codes.has('STREAM_OTHER_GROUP'))
    expect(await queueOf().has([id])).toEqual(new Set([id]))
  })
})
