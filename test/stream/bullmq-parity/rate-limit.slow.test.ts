import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { abandoned, jobs, name, queueOf, redis, useRedis, work } from '../../support/stream-harness.ts'
import { count, length, obeysLimit, parity } from './parity.ts'
import { LIMIT_IS_FIXED, NO_DELAYED_JOBS, NO_FLOWS, NO_PRIORITY } from './reasons.ts'
import { RATE_LIMIT } from './titles.ts'

useRedis('installed')

parity('rate limiter', RATE_LIMIT, {
  'should not put a job into the delayed queue when limit is hit': async () => {
    const worker = work(() => undefined, { concurrency: 5, limiter: { max: 1 } })
    const done = count(worker, 'completed')
    await queueOf().addBulk(jobs(3))
    await until('3 completed', () => done() === 3)
    expect(await redis.probe.xlen(`${name}:dead-letter`)).toBe(0)
  },
  'when setting rate limit globally › should obey the rate limit': LIMIT_IS_FIXED,
  'when setting rate limit globally › when rate limit is removed › should execute jobs without rate limit':
    LIMIT_IS_FIXED,
  'should obey the rate limit': () => obeysLimit(5, 1),
  'should respect processing time without adding limiter delay': async () => {
    const took: number[] = []
    const worker = work(
      async () => {
        const beganAt = performance.now()
        await sleep(5)
        took.push(performance.now() - beganAt)
      },
      { concurrency: 5, limiter: { max: 4 } },
    )
    const done = count(worker, 'completed')
    await queueOf().addBulk(jobs(12))
    await until('12 completed', () => done() === 12)
    expect(Math.max(...took)).toBeLessThan(1000)
  },
  'should quickly close a worker even with slow rate-limit': async () => {
    const worker = work(() => undefined, { limiter: { max: 1, windowSeconds: 60 } })
    const done = count(worker, 'completed')
    await queueOf().addBulk(jobs(3))
    await until('the first', () => done() === 1)
    const startedAt = performance.now()
    await worker.close()
    expect(performance.now() - startedAt).toBeLessThan(2000)
    abandoned.add(worker.consumer)
  },
  'when a job never completed › should not block the rate limit': async () => {
    const worker = work(
      ({ fields }, signal) => (fields.n === '0' ? once(signal, 'abort').then(() => undefined) : undefined),
      {
        concurrency: 2,
        limiter: { max: 5 },
      },
    )
    const done = count(worker, 'completed')
    await queueOf().addBulk(jobs(12))
    await until('all but one', () => done() === 11)
    await worker.close(true)
    abandoned.add(worker.consumer)
  },
  'when queue is paused between rate limit › should add active jobs to paused': async () => {
    const all = [1, 2, 3, 4].map(() => work(() => undefined, { concurrency: 1, limiter: { max: 1, windowSeconds: 2 } }))
    const [done, paused] = [all.map(worker => count(worker, 'completed')), all.map(worker => count(worker, 'paused'))]
    const total = () => done.reduce((sum, each) => sum + each(), 0)
    await queueOf().addBulk(jobs(4))
    await until('one', () => total() >= 1)
    await queueOf().pause()
    await until('all paused', () => paused.every(each => each() === 1))
    await until('what is done is gone', async () => (await length()) === 4 - total())
    const before = total()
    await sleep(2500)
    expect([total(), await length()]).toEqual([before, 4 - before])
  },
  'when using flows › should obey the rate limit per queue': NO_FLOWS,
  'should obey the rate limit with max value greater than 1': () => obeysLimit(8, 2),
  'when dynamic limit is used › should obey the rate limit': LIMIT_IS_FIXED,
  'when dynamic limit is used › when job does not exist › should fail with job existence error': LIMIT_IS_FIXED,
  'when dynamic limit is used › when rate limit is too low › should move job to wait anyway': LIMIT_IS_FIXED,
  'when dynamic limit is used › when passing maxJobs when getting rate limit ttl › when rate limit counter is lower than maxJobs › should returns 0':
    LIMIT_IS_FIXED,
  'when dynamic limit is used › when passing maxJobs when getting rate limit ttl › when rate limit counter is greater than maxJobs › should returns at least rate limit duration':
    LIMIT_IS_FIXED,
  'when dynamic limit is used › when reaching max attempts and we want to move the job to failed › should throw Unrecoverable error':
    LIMIT_IS_FIXED,
  'when dynamic limit is used › when priority is provided › should obey the rate limit respecting priority':
    LIMIT_IS_FIXED,
  'when dynamic limit is used › when priority is provided › when priority is the same for some jobs › should get jobs in fifo order':
    LIMIT_IS_FIXED,
  'when dynamic limit is used › when priority is provided › when priority is different for some jobs › should get jobs in fifo order':
    LIMIT_IS_FIXED,
  'when dynamic limit is used › when queue is paused › moves job to paused': LIMIT_IS_FIXED,
  'when dynamic limit is used › when removing rate limit › should process jobs normally': LIMIT_IS_FIXED,
  'when dynamic limit is used › when removing rate limit › when maximumRateLimitDelay is reached › should continue processing jobs':
    LIMIT_IS_FIXED,
  'when there are delayed jobs to promote › should promote jobs after maximumRateLimitDelay': NO_DELAYED_JOBS,
  'when there are more added jobs than max limiter › processes jobs as max limiter from the beginning': () =>
    obeysLimit(200, 100, 600),
  'when there are more added jobs than max limiter › when rate limit is max 1 › processes jobs as max limiter from the beginning':
    () => obeysLimit(3, 1, 100),
  'should obey priority': NO_PRIORITY,
})
