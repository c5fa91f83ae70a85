import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { retryLater } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { abandoned, jobs, queueOf, useRedis, work } from '../../support/stream-harness.ts'
import { BOOM, count, fails, length, parity } from './parity.ts'
import { IN_ORDER, NO_NAMES, NO_PROGRESS, NO_RETURN_VALUE, NO_SETS, NOTHING_BLOCKS } from './reasons.ts'
import { WORKER } from './titles.ts'

useRedis('installed')

parity('worker', WORKER, {
  'process a lifo queue': IN_ORDER,
  'process several jobs serially': async () => {
    const seen: string[] = []
    const worker = work(({ fields }) => void seen.push(fields.n), { concurrency: 1 })
    for (const job of jobs(35)) await queueOf().add(job)
    await until('35 handled', () => seen.length === 35)
    expect(seen).toEqual(jobs(35).map(({ n }) => n))
    expect(worker.isRunning()).toBe(true)
  },
  'process a job that updates progress as number': NO_PROGRESS,
  'process a job that updates progress as object': NO_PROGRESS,
  'process a job that updates progress as string': NO_PROGRESS,
  'process a job that updates progress as boolean': NO_PROGRESS,
  'process a job that updates progress with a typed progress generic': NO_PROGRESS,
  'processes jobs that were added before the worker started': async () => {
    await Promise.all(jobs(4).map(job => queueOf().add(job)))
    const done = count(
      work(() => undefined),
      'completed',
    )
    await until('4 completed', () => done() === 4)
  },
  'process a job that returns data in the process handler': async () => {
    // What it returns is not kept; that it returns something means done.
    const done = count(work((() => 37) as unknown as () => void), 'completed')
    await queueOf().add({ n: '1' })
    await until('completed and gone', async () => done() === 1 && (await length()) === 0)
  },
  'process a job that returns a string in the process handler': async () => {
    const done = count(work((() => 'a very dignified string') as unknown as () => void), 'completed')
    await queueOf().add({ n: '1' })
    await until('completed and gone', async () => done() === 1 && (await length()) === 0)
  },
  'process a job that returning data returnvalue gets stored in the database': NO_RETURN_VALUE,
  'process a job that does some asynchronous operation': async () => {
    let isThrough = false
    const worker = work(async () => {
      await sleep(50)
      isThrough = true
    })
    const states: boolean[] = []
    worker.on('completed', () => states.push(isThrough))
    await queueOf().add({ n: '1' })
    await until('completed', () => states.length === 1)
    expect(states).toEqual([true])
  },
  'process a synchronous job': async () => {
    const done = count(
      work(() => undefined),
      'completed',
    )
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 1)
  },
  'process a slow job without waiting previous job to finish': async () => {
    const gate = Promise.withResolvers<void>()
    const order: string[] = []
    const worker = work(({ fields }) => (fields.n === '1' ? gate.promise : undefined), { concurrency: 2 })
    worker.on('completed', ({ fields }) => order.push(fields.n))
    await queueOf().add({ n: '1' })
    await queueOf().add({ n: '2' })
    await until('the second', () => order.length === 1)
    gate.resolve()
    await until('both', () => order.length === 2)
    expect(order).toEqual(['2', '1'])
  },
  'does not process a job that is being processed when a new queue starts': async () => {
    const gate = Promise.withResolvers<void>()
    const first = work(() => gate.promise)
    const begun = count(first, 'active')
    await queueOf().add({ n: '1' })
    await until('begun', () => begun() === 1)
    let others = 0
    const second = work(() => void others++)
    await until('it has looked', () => second.lastPollAt > 0)
    const done = count(first, 'completed')
    gate.resolve()
    await until('completed', () => done() === 1)
    expect(others).toBe(0)
  },
  'process a job that throws an exception': () =>
    fails(() => {
      throw BOOM
    }),
  'process a job that returns data with a circular dependency': async () => {
    const circular: { self?: object } = {}
    circular.self = circular
    // Nothing is made of it: there is nothing to fail on.
    const done = count(work((() => circular) as unknown as () => void), 'completed')
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 1)
  },
  'process a job that returns a rejected promise': () => fails(() => Promise.reject(BOOM)),
  'sets the worker name on the job upon processing': NO_NAMES,
  'when job is in failed state › retries a job that fails': async () => {
    let calls = 0
    const worker = work(
      () => {
        if (calls++ === 0) throw BOOM
      },
      { maxBackoffMs: 10 },
    )
    const [failed, done] = [count(worker, 'failed'), count(worker, 'completed')]
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 1)
    expect([failed(), calls]).toEqual([1, 2])
  },
  'when job is in failed state › retries a job that fails and resets attemptsMade and attemptsStarted': NO_SETS,
  'when job is in completed state › retries a job that completes': NO_SETS,
  'when job is in completed state › retries a job that completes and resets attemptsMade and attemptsStarted': NO_SETS,
  'when closing a worker › process a job that throws an exception after worker close': async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(() => gate.promise)
    const [begun, failed] = [count(worker, 'active'), count(worker, 'failed')]
    await queueOf().add({ n: '1' })
    await until('begun', () => begun() === 1)
    const closing = worker.close()
    gate.reject(BOOM)
    await closing
    expect([failed(), await length()]).toEqual([1, 1])
    abandoned.add(worker.consumer)
  },
  'when closing a worker › process a job that complete after worker close': async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(() => gate.promise)
    const [begun, done] = [count(worker, 'active'), count(worker, 'completed')]
    await queueOf().add({ n: '1' })
    await until('begun', () => begun() === 1)
    const closing = worker.close()
    gate.resolve()
    await closing
    expect([done(), await length()]).toEqual([1, 0])
  },
  'when closing a worker › resolves close() when an active job throws DelayedError during shutdown': async () => {
    const worker = work(async () => {
      await sleep(50)
      return retryLater({ delayMs: 0, reason: 'not now' })
    })
    const begun = count(worker, 'active')
    await queueOf().addBulk(jobs(50))
    await until('begun', () => begun() > 0)
    await worker.close()
    expect(await length()).toBe(50)
    abandoned.add(worker.consumer)
  },
  'when closing a worker › resolves close() when a paused worker has an active job that throws DelayedError':
    async () => {
      const worker = work(async () => {
        await sleep(50)
        return retryLater({ delayMs: 0, reason: 'not now' })
      })
      const begun = count(worker, 'active')
      await queueOf().addBulk(jobs(50))
      await until('begun', () => begun() > 0)
      await worker.pause()
      await worker.close()
      expect(await length()).toBe(50)
      abandoned.add(worker.consumer)
    },
  'when waiting for a job › reconnects blocking transport after a connection error (#4378)': NOTHING_BLOCKS,
  'when waiting for a job › retries after reconnecting blocking transport fails': NOTHING_BLOCKS,
  'when waiting for a job › recovers when the blocking command never settles (#4479)': NOTHING_BLOCKS,
  'when waiting for a job › does not disconnect a reconnecting blocking client (#4585)': NOTHING_BLOCKS,
  'when waiting for a job › reconnects a healthy connection torn down by the watchdog (#4585 ready-path race)':
    NOTHING_BLOCKS,
  'when calling getBlockTimeout › when drainDelay is greater than minimumBlockTimeout › returns drainDelay':
    NOTHING_BLOCKS,
  'when calling getBlockTimeout › when drainDelay is lower than minimumBlockTimeout › returns drainDelay':
    NOTHING_BLOCKS,
  'when calling getBlockTimeout › returns blockDelay value lower or equal 0': NOTHING_BLOCKS,
  'when calling getBlockTimeout › returns delay value greater than minimumBlockTimeout': NOTHING_BLOCKS,
  'when sharing connection › should not fail': async () => {
    // Queue and worker share one always; here two workers do as well.
    const seen = new Set<string>()
    for (const _each of [1, 2]) work(({ fields }) => void seen.add(fields.n))
    for (const job of jobs(35)) await queueOf().add(job)
    await until('35 handled', () => seen.size === 35)
  },
})
