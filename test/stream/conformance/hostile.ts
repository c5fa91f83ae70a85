import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { retryLater, type StreamEntry } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { slowTest } from '../../support/slow-test.ts'
import {
  abandoned,
  GROUP,
  idsOf,
  type Job,
  jobs,
  name,
  pendingOf,
  queueOf,
  redis,
  work,
} from '../../support/stream-harness.ts'

const isEmptied = async () => (await redis.probe.xlen(name)) === 0
const deadLetters = () => redis.probe.xlen(`${name}:dead-letter`)

type Pending = [id: string, owner: string, idleMs: number, deliveries: number]
const pending = async () => (await redis.probe.xpending(name, GROUP, '-', '+', 100)) as Pending[]

/** Handlers that are counted: how many at once, and whether one entry was begun twice at once. */
function counted(run: (entry: StreamEntry<Job>) => Promise<void>) {
  const running = new Set<string>()
  const seen = { most: 0, twice: [] as string[], done: new Set<string>(), begun: 0 }
  const handler = async (entry: StreamEntry<Job>) => {
    if (running.has(entry.id)) seen.twice.push(entry.id)
    running.add(entry.id)
    seen.begun += 1
    seen.most = Math.max(seen.most, running.size)
    await run(entry)
    running.delete(entry.id)
    seen.done.add(entry.id)
  }
  return { handler, seen }
}

describe('what the server hands out again while it is leased', () => {
  test('the group is destroyed under load, three times: nothing is begun twice, no slot is lost, close ends', async () => {
    const { handler, seen } = counted(({ fields: { n } }) => sleep(Number(n) % 4 === 0 ? 800 : 30))
    const worker = work(handler, { concurrency: 20 })
    worker.on('error', () => undefined)
    const ids = idsOf(await queueOf().addBulk(jobs(200)))
    for (let times = 0; times < 3; times++) {
      await until('20 in flight', () => worker.inFlight === 20)
      await redis.probe.xgroup('DESTROY', name, GROUP)
      // Long ones still run when the group is there again and hands out everything.
      await sleep(400)
    }
    await until('an empty stream', isEmptied)
    await until('nothing in flight', () => worker.inFlight === 0)
    expect([seen.most, seen.twice]).toEqual([20, []])
    expect([...seen.done].sort()).toEqual([...ids].sort())
    await worker.close()
    expect(worker.inFlight).toBe(0)
  })

  test('the group is set back while handlers run: they run once, and all slots work afterwards', async () => {
    const gate = Promise.withResolvers<void>()
    const { handler, seen } = counted(() => gate.promise)
    const worker = work(handler, { concurrency: 8 })
    await queueOf().addBulk(jobs(5))
    await until('5 in flight', () => worker.inFlight === 5)
    await redis.probe.xgroup('SETID', name, GROUP, '0')
    await queueOf().addBulk(jobs(3, 5))
    await until('8 in flight', () => worker.inFlight === 8)
    gate.resolve()
    await until('an empty stream', isEmptied)
    expect([seen.begun, seen.twice, worker.inFlight, await pendingOf()]).toEqual([8, [], 0, 0])
  })
})

describe('only a death during its own run stands against an entry', () => {
  slowTest('a standstill of the server longer than min-idle counts nothing', async () => {
    let isDown = true
    const handler = () => (isDown ? retryLater({ delayMs: 50, reason: 'not now' }) : undefined)
    const options = { claimMinIdleMs: 400, maxDeliveries: 2, concurrency: 20 }
    for (const worker of [work(handler, options), work(handler, options)]) worker.on('error', () => undefined)
    await queueOf().addBulk(jobs(20))
    await until('all are leased', async () => (await pendingOf()) === 20)
    for (let times = 0; times < 4; times++) {
      await redis.onEach(node => node.call('CLIENT', 'PAUSE', 700, 'ALL'))
      await redis.probe.ping()
      await sleep(700)
    }
    // A run that is under way counts as well, until its answer is told.
    await until('no delivery is counted', async () => (await pending()).every(([, , , deliveries]) => deliveries <= 1))
    isDown = false
    await until('an empty stream', isEmptied)
    expect(await deadLetters()).toBe(0)
  })

  test('what another process forgives while a run is under way stays forgiven when that is over', async () => {
    await queueOf().ensureGroup()
    const { id } = await queueOf().add({ n: '1' })
    await redis.probe.xreadgroup('GROUP', GROUP, 'frozen', 'COUNT', 1, 'STREAMS', name, '>')
    await redis.probe.xclaim(name, GROUP, 'frozen', 0, id, 'IDLE', 3_600_000, 'RETRYCOUNT', 1, 'JUSTID')
    let during = 0
    work(async () => {
      const [, owner, , deliveries] = (await pending())[0] as Pending
      during = deliveries
      await redis.probe.xclaim(name, GROUP, owner, 0, id, 'RETRYCOUNT', deliveries - 1, 'JUSTID')
      return retryLater({ delayMs: 60_000, reason: 'not now' })
    })
    await until('it is over', async () => during === 2 && (await pending())[0]?.[3] !== 1)
    expect((await pending())[0]?.[3]).toBe(0)
  })

  test('a handler that obeys its abort signal is not counted, however often its worker is closed', async () => {
    await queueOf().add({ n: '1' })
    const deliveries: number[] = []
    for (let times = 0; times < 4; times++) {
      const worker = work(
        (entry, signal) => {
          deliveries.push(entry.deliveries)
          return new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        },
        { maxDeliveries: 2 },
      )
      await until('it runs', () => worker.inFlight === 1, 15_000)
      abandoned.add(worker.consumer)
      await worker.close(true)
    }
    expect(deliveries).toEqual([1, 1, 1, 1])
    expect([(await pending())[0]?.[3], await deadLetters()]).toEqual([0, 0])
  })

  test('suspects begin few at a time, and all are done', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(300))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 300, 'STREAMS', name, '>')
    const { handler, seen } = counted(() => sleep(10))
    work(handler, { concurrency: 100, claimMinIdleMs: 300 })
    await until('300 done', () => seen.done.size === 300)
    expect([seen.begun, seen.most]).toEqual([300, expect.any(Number)])
    expect(seen.most).toBeLessThanOrEqual(16)
  })

  test('a suspect that waited while its worker was paused is one afterwards', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(60))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 60, 'STREAMS', name, '>')
    const deliveries: number[] = []
    const worker = work(
      async entry => {
        deliveries.push(entry.deliveries)
        await sleep(20)
      },
      { concurrency: 100, claimMinIdleMs: 1000 },
    )
    await until('the first runs', () => deliveries.length > 0)
    await worker.pause()
    expect(deliveries.length).toBeLessThan(60)
    worker.resume()
    await until('an empty stream', isEmptied)
    expect(deliveries).toEqual(Array.from({ length: 60 }, () => 2))
  })

  test('a suspect that hangs holds nobody up for long', async () => {
    await queueOf().ensureGroup()
    await queueOf().addBulk(jobs(20))
    await redis.probe.xreadgroup('GROUP', GROUP, 'dead', 'COUNT', 20, 'STREAMS', name, '>')
    const gate = Promise.withResolvers<void>()
    let done = 0
    work(
      async entry => {
        if (entry.fields.n === '0') await gate.promise
        done += 1
      },
      { concurrency: 5, claimMinIdleMs: 300 },
    )
    await until('the others are done', () => done === 19)
    gate.resolve()
    await until('an empty stream', isEmptied)
  })
})

describe('what is another’s by now', () => {
  test('becomes no dead letter and is not deleted: its new owner decides', async () => {
    const gate = Promise.withResolvers<void>()
    let poisoned = 0
    const worker = work(
      async () => {
        await gate.promise
        throw new Error('boom')
      },
      { maxDeliveries: 1, onPoison: () => void poisoned++ },
    )
    const { id } = await queueOf().add({ n: '1' })
    await until('it runs', () => worker.inFlight === 1)
    await redis.probe.xclaim(name, GROUP, 'other', 0, id, 'IDLE', 0)
    const failed = once(worker, 'failed')
    gate.resolve()
    await failed
    await until('it is let go', () => worker.inFlight === 0)
    expect([poisoned, await deadLetters(), await redis.probe.xlen(name)]).toEqual([0, 0, 1])
    expect((await pending())[0]?.[1]).toBe('other')
  })
})
