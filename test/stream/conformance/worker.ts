import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { deadLetter, retryLater, type StreamHandler, type StreamWorker } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import {
  abandoned,
  GROUP,
  type Job,
  jobs,
  name,
  pendingOf,
  queueOf,
  redis,
  work,
} from '../../support/stream-harness.ts'

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
    const { id } = await queueOf().add({ n: '7' })
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    const [entry] = (await redis.probe.xrange(`${name}:dead-letter`, '-', '+')) as [string, string[]][]
    expect(entry?.[1]).toEqual(expect.arrayContaining(['n', '7', '_id', id, '_reason', 'cannot be done']))
  })

  test('a handler that throws: the entry comes again, its deliveries counted, and is poison after maxDeliveries', async () => {
    const errors: string[] = []
    const poisoned: number[] = []
    const deliveries: number[] = []
    const worker = work(
      entry => {
        deliveries.push(entry.deliveries)
        throw new Error('boom')
      },
      { maxDeliveries: 2, maxBackoffMs: 20, onPoison: entry => void poisoned.push(entry.deliveries) },
    )
    worker.on('failed', (_entry, error) => errors.push(error.message))
    await queueOf().add({ n: '1' })
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    expect(errors).toEqual(['boom', 'boom', 'failed 2 times, the last with: boom'])
    expect([deliveries, poisoned]).toEqual([[1, 2], [2]])
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
    const order = ['ready', 'active', 'completed', 'drained', 'paused', 'resumed', 'closing', 'closed']
    expect(events).toEqual(order)
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
    abandoned.add(worker.consumer)
    await worker.close(false, AbortSignal.timeout(50))
    expect(aborted).toHaveLength(2)
    expect(await pendingOf()).toBe(2)
    // Nobody died of them: giving them up is no delivery.
    const deliveries: number[] = []
    work(entry => void deliveries.push(entry.deliveries))
    await until('another has them', () => deliveries.length === 2)
    expect(deliveries).toEqual([1, 1])
  })

  test('pause reads nothing more and waits for handlers; resume goes on', async () => {
    let done = 0
    const worker = work(() => void done++)
    await queueOf().addBulk(jobs(5))
    await until('5 done', () => done === 5)
    await worker.pause()
    await queueOf().addBulk(jobs(5))
    const { lastPollAt } = worker
    const pausedAt = Date.now()
    await until('many of the longest pauses between two reads', () => Date.now() - pausedAt > 300)
    expect([worker.isPaused(), worker.lastPollAt, done, await pendingOf()]).toEqual([true, lastPollAt, 5, 0])
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
    const pausedAt = Date.now()
    await until('many of the longest pauses between two reads', () => Date.now() - pausedAt > 300)
    expect(done).toBe(0)
    await queueOf().resume()
    await until('5 done', () => done === 5)
  })

  test('`await using` closes it at the end of its block', async () => {
    let worker: StreamWorker<Job>
    {
      await using inner = work(() => undefined)
      worker = inner
      await once(worker, 'ready')
    }
    expect(worker.isRunning()).toBe(false)
    await expect(worker.run()).rejects.toMatchObject({ code: 'STREAM_CLOSED' })
  })
})
