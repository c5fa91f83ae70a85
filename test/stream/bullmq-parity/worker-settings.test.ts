import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { connection, jobs, name, queueOf, redis, useRedis, work } from '../../support/stream-harness.ts'
import { count, leftBy, length, parity } from './parity.ts'
import { NO_DELAYED_JOBS, NO_PRIORITY, NO_SETS, NO_STARTS, NOTHING_IS_KEPT } from './reasons.ts'
import { WORKER_SETTINGS } from './titles.ts'

useRedis('installed')

parity('worker: settings and errors', WORKER_SETTINGS, {
  'auto job removal › should remove job after completed if removeOnComplete': async () => {
    const done = count(
      work(() => undefined),
      'completed',
    )
    await queueOf().add({ n: '1' })
    await until('completed and gone', async () => done() === 1 && (await length()) === 0)
  },
  'auto job removal › should remove a job after completed if the default job options specify removeOnComplete':
    async () => {
      const done = count(
        work(() => undefined),
        'completed',
      )
      await queueOf().add({ n: '1' })
      await until('completed and gone', async () => done() === 1 && (await length()) === 0)
    },
  'auto job removal › should keep specified number of jobs after completed with removeOnComplete': NOTHING_IS_KEPT,
  'auto job removal › should keep of jobs newer than specified after completed with removeOnComplete': NOTHING_IS_KEPT,
  'auto job removal › should keep of jobs newer than specified and up to a count completed with removeOnComplete':
    NOTHING_IS_KEPT,
  'auto job removal › should keep of jobs newer than specified and up to a count fail with removeOnFail':
    NOTHING_IS_KEPT,
  'auto job removal › should keep specified number of jobs after completed with default job options removeOnComplete':
    NOTHING_IS_KEPT,
  'auto job removal › should remove job after failed if removeOnFail': NOTHING_IS_KEPT,
  'auto job removal › should remove a job after fail if the default job options specify removeOnFail': NOTHING_IS_KEPT,
  'auto job removal › should keep specified number of jobs after completed with removeOnFail': NOTHING_IS_KEPT,
  'auto job removal › should keep specified number of jobs after completed with global removeOnFail': NOTHING_IS_KEPT,
  'auto job removal › when worker has removeOnFinish options › should keep of jobs newer than specified after completed with removeOnComplete':
    NOTHING_IS_KEPT,
  'auto job removal › when worker has removeOnFinish options › should keep of jobs newer than specified and up to a count completed with removeOnComplete':
    NOTHING_IS_KEPT,
  'auto job removal › when worker has removeOnFinish options › should keep jobs with age 10 and limit 2 with removeOnComplete':
    NOTHING_IS_KEPT,
  'auto job removal › when worker has removeOnFinish options › should keep of jobs newer than specified and up to a count fail with removeOnFail':
    NOTHING_IS_KEPT,
  'auto job removal › when worker has removeOnFinish options › should remove all jobs when count is 0 with removeOnFail':
    NOTHING_IS_KEPT,
  'when adding delayed job after standard one when worker is drained › pick standard job without delay':
    NO_DELAYED_JOBS,
  'when prioritized jobs are added › should process jobs by priority': NO_PRIORITY,
  'when prioritized jobs are added › should process jobs with the same priority in FIFO order': NO_PRIORITY,
  'when prioritized jobs are added › should reject jobs above the maximum allowed priority value': NO_PRIORITY,
  'when prioritized jobs are added › should process prioritized job whithout delay': NO_PRIORITY,
  'when prioritized jobs are added › should process prioritized jobs': NO_PRIORITY,
  'when sharing a redis connection between workers › should not close the connection': async () => {
    const [first, second] = [work(() => undefined), work(() => undefined)]
    await until('both run', () => first.lastPollAt > 0 && second.lastPollAt > 0)
    await Promise.all([first.close(), second.close()])
    expect(connection.isUsable).toBe(true)
  },
  'when sharing a redis connection between workers › when connection is passed into a queue › should not close the connection':
    async () => {
      const worker = work(() => undefined)
      await until('it runs', () => worker.lastPollAt > 0)
      await worker.close()
      await queueOf().add({ n: '1' })
      expect(await length()).toBe(1)
    },
  'when autorun option is provided as false › processes several jobs serially using process option as false':
    async () => {
      const seen: string[] = []
      const worker = work(({ fields }) => void seen.push(fields.n), { concurrency: 1, autorun: false })
      await queueOf().addBulk(jobs(10))
      expect([worker.isRunning(), seen.length]).toEqual([false, 0])
      void worker.run()
      await until('10 handled', () => seen.length === 10)
      expect(seen).toEqual(jobs(10).map(({ n }) => n))
    },
  'when autorun option is provided as false › when process function is not defined › throws error': async () => {
    expect(() => work(undefined as never, { autorun: false })).toThrow('handler must be a function')
  },
  'when autorun option is provided as false › when run method is called when worker is running › throws error':
    async () => {
      // A second call joins the first one: both resolve when the worker is closed.
      const worker = work(() => undefined, { autorun: false })
      const running = [worker.run(), worker.run()]
      await worker.close()
      await Promise.all(running)
      await expect(worker.run()).rejects.toMatchObject({ code: 'STREAM_CLOSED' })
    },
  'when queue is paused and retry a job › moves job to wait': NO_SETS,
  'retry a job that fails using job retry method': NO_SETS,
  'emits error and continues running when _getNextJob fails': async () => {
    await redis.probe.set(name, 'not a stream')
    const worker = work(() => undefined)
    const [errors, done] = [count(worker, 'error'), count(worker, 'completed')]
    await until('an error', () => errors() > 0)
    await redis.probe.del(name)
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 1)
    expect(worker.isRunning()).toBe(true)
  },
  'continues processing after a worker has stalled': async () => {
    await leftBy('dead', 1)
    const worker = work(() => undefined, { claimMinIdleMs: 100 })
    const [stalled, done] = [count(worker, 'stalled'), count(worker, 'completed')]
    await until('completed', () => done() === 1)
    expect(stalled()).toBe(1)
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 2)
  },
  'max stalled count cannot be less than zero': async () => {
    expect(() => work(() => undefined, { maxDeliveries: -1 })).toThrow('maxDeliveries must be a whole number')
  },
  'max started attempts cannot be less than zero': NO_STARTS,
  'stalled interval cannot be zero': async () => {
    expect(() => work(() => undefined, { claimMinIdleMs: 0 })).toThrow('claimMinIdleMs must be a whole number')
  },
  'drain delay cannot be zero': async () => {
    expect(() => work(() => undefined, { pollIntervalMs: 0 })).toThrow('pollIntervalMs must be a whole number')
  },
  'lock extender continues to run until all active jobs are completed when closing a worker': async () => {
    const gate = Promise.withResolvers<void>()
    const first = work(() => gate.promise, { claimMinIdleMs: 1000 })
    const [begun, done] = [count(first, 'active'), count(first, 'completed')]
    await queueOf().add({ n: '1' })
    await until('begun', () => begun() === 1)
    const closing = first.close()
    let taken = 0
    const second = work(() => void taken++, { claimMinIdleMs: 1000 })
    const stalled = count(second, 'stalled')
    await sleep(2500)
    gate.resolve()
    await closing
    expect([done(), taken, stalled()]).toEqual([1, 0, 0])
  },
})
