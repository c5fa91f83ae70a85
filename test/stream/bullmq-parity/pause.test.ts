import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { retryLater } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { jobs, queueOf, useRedis, work } from '../../support/stream-harness.ts'
import { BOOM, count, length, parity } from './parity.ts'
import { PAUSE } from './titles.ts'

useRedis('installed')

parity('pause', PAUSE, {
  'should not process delayed jobs': async () => {
    let calls = 0
    const worker = work(() => {
      calls++
      return retryLater({ delayMs: 50, reason: 'not yet' })
    })
    await queueOf().add({ n: '1' })
    await until('begun', () => calls === 1)
    await worker.pause()
    const before = calls
    await sleep(200)
    expect([calls, await length()]).toEqual([before, 1])
  },
  'should pause a queue until resumed': async () => {
    const worker = work(() => undefined)
    const [done, paused] = [count(worker, 'completed'), count(worker, 'paused')]
    await queueOf().pause()
    await until('the worker has heard of it', () => paused() === 1)
    await queueOf().addBulk(jobs(2))
    await sleep(200)
    expect(done()).toBe(0)
    await queueOf().resume()
    await until('both', () => done() === 2)
  },
  'should be able to pause a running queue and emit relevant events': async () => {
    const worker = work(() => undefined)
    const [done, paused, resumed] = [count(worker, 'completed'), count(worker, 'paused'), count(worker, 'resumed')]
    await queueOf().add({ n: '1' })
    await until('the first', () => done() === 1)
    await queueOf().pause()
    await until('paused', () => paused() === 1)
    await queueOf().resume()
    await until('resumed', () => resumed() === 1)
    await queueOf().add({ n: '2' })
    await until('the second', () => done() === 2)
  },
  'should pause the queue locally': async () => {
    const worker = work(() => undefined)
    const done = count(worker, 'completed')
    await worker.pause()
    await queueOf().addBulk(jobs(2))
    expect([done(), worker.isPaused()]).toEqual([0, true])
    worker.resume()
    await until('both', () => done() === 2)
  },
  'should wait until active jobs are finished before resolving pause': async () => {
    const worker = work(() => sleep(100), { concurrency: 1 })
    const [begun, done] = [count(worker, 'active'), count(worker, 'completed')]
    await queueOf().addBulk(jobs(10))
    await until('begun', () => begun() > 0)
    await worker.pause()
    expect([worker.inFlight, done(), worker.isPaused()]).toEqual([0, begun(), true])
    await until('9 are left', async () => (await length()) === 10 - done())
    await queueOf().add({ n: 'late' })
    await sleep(150)
    expect(done()).toBe(begun())
  },
  'should pause the queue locally when more than one worker is active': async () => {
    const both = [1, 2].map(() => work(() => sleep(100), { concurrency: 1 }))
    const [begun, done] = [both.map(worker => count(worker, 'active')), both.map(worker => count(worker, 'completed'))]
    await queueOf().addBulk(jobs(4))
    await until('both begun', () => begun.every(each => each() === 1))
    await Promise.all(both.map(worker => worker.pause()))
    await until('2 are left', async () => (await length()) === 2)
    expect(done.map(each => each())).toEqual([1, 1])
  },
  'should wait for blocking job retrieval to complete before pausing locally': async () => {
    const worker = work(() => sleep(50), { concurrency: 1 })
    const [begun, done] = [count(worker, 'active'), count(worker, 'completed')]
    await queueOf().add({ n: '1' })
    await until('begun', () => begun() === 1)
    await worker.pause()
    await queueOf().add({ n: '2' })
    await sleep(150)
    expect([done(), await length()]).toEqual([1, 1])
  },
  'pauses fast when queue is drained': async () => {
    const worker = work(() => sleep(20))
    const drained = once(worker, 'drained')
    await queueOf().add({ n: '1' })
    await drained
    const startedAt = performance.now()
    await queueOf().pause()
    await worker.pause()
    expect(performance.now() - startedAt).toBeLessThan(1000)
  },
  'gets the right response from isPaused': async () => {
    await queueOf().pause()
    expect(await queueOf().isPaused()).toBe(true)
    await queueOf().resume()
    expect(await queueOf().isPaused()).toBe(false)
  },
  'should pause and resume worker without error': async () => {
    const worker = work(() => sleep(20))
    const errors = count(worker, 'error')
    for (let each = 0; each < 3; each++) {
      await worker.pause()
      worker.resume()
    }
    await worker.pause()
    await worker.close()
    expect(errors()).toBe(0)
  },
  'when backoff is 0 › moves job into paused queue': async () => {
    let calls = 0
    const worker = work(
      () => {
        if (calls++ === 0) throw BOOM
      },
      { maxBackoffMs: 0 },
    )
    const [failed, done, paused] = [count(worker, 'failed'), count(worker, 'completed'), count(worker, 'paused')]
    worker.once('failed', () => void worker.pause())
    await queueOf().add({ n: '1' })
    await until('failed and paused', () => failed() === 1 && paused() === 1)
    await sleep(100)
    expect([calls, await length()]).toEqual([1, 1])
    worker.resume()
    await until('completed', () => done() === 1)
  },
})
