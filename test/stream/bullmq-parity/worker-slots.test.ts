import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { jobs, queueOf, useRedis, work } from '../../support/stream-harness.ts'
import { BOOM, count, length, MostAtOnce, mostAtOnce, parity } from './parity.ts'
import { WORKER_SLOTS } from './titles.ts'

useRedis('installed')

parity('worker: slots', WORKER_SLOTS, {
  'Concurrency process › should thrown an exception if I specify a concurrency of 0': async () => {
    expect(() => work(() => undefined, { concurrency: 0 })).toThrow('concurrency must be a whole number')
  },
  'Concurrency process › should thrown an exception if I specify a NaN concurrency': async () => {
    expect(() => work(() => undefined, { concurrency: Number.NaN })).toThrow('concurrency must be a whole number')
  },
  'Concurrency process › should run job in sequence if I specify a concurrency of 1': async () =>
    expect(await mostAtOnce(8, 1)).toBe(1),
  'Concurrency process › should process job respecting the concurrency set': async () =>
    expect(await mostAtOnce(24, 4)).toBe(4),
  'Concurrency process › when increasing value › should process job respecting the current concurrency set':
    async () => {
      const most = new MostAtOnce()
      const worker = work(most.handler, { concurrency: 4 })
      await queueOf().addBulk(jobs(100))
      await until('4 at once', () => most.now === 4)
      expect(most.most).toBe(4)
      worker.concurrency = 8
      await until('8 at once', () => most.now === 8)
      await until('all done', async () => (await length()) === 0)
      expect(most.most).toBe(8)
    },
  'Concurrency process › when decreasing value › should process job respecting the current concurrency set':
    async () => {
      const most = new MostAtOnce()
      const worker = work(most.handler, { concurrency: 4 })
      await queueOf().addBulk(jobs(100))
      await until('4 at once', () => most.now === 4)
      worker.concurrency = 2
      await until('2 at once', () => most.now <= 2)
      most.most = 0
      await until('all done', async () => (await length()) === 0)
      expect(most.most).toBe(2)
    },
  'Concurrency process › when pausing › should wait for all concurrent processing': async () => {
    const gates: PromiseWithResolvers<void>[] = []
    const worker = work(
      () => {
        const gate = Promise.withResolvers<void>()
        gates.push(gate)
        return gate.promise
      },
      { concurrency: 4, maxBackoffMs: 10 },
    )
    const done = count(worker, 'completed')
    await queueOf().addBulk(jobs(8))
    await until('4 begun', () => gates.length === 4)
    let isPaused = false
    const pausing = worker.pause().then(() => (isPaused = true))
    for (const gate of gates.slice(0, 2)) gate.resolve()
    gates[2]?.reject(BOOM)
    await until('2 completed', () => done() === 2)
    expect(isPaused).toBe(false)
    gates[3]?.resolve()
    await pausing
    expect([worker.inFlight, gates.length, done()]).toEqual([0, 4, 3])
    worker.resume()
    await until('all completed', () => {
      for (const gate of gates) gate.resolve()
      return done() === 8
    })
  },
  'Concurrency process › when pausing › should not keep active jobs': async () => {
    const worker = work(() => sleep(20), { concurrency: 4 })
    const begun = count(worker, 'active')
    await queueOf().addBulk(jobs(8))
    await until('begun', () => begun() > 0)
    await worker.pause()
    expect(worker.inFlight).toBe(0)
  },
  'Concurrency process › when pausing › should resume processing after pause with doNotWaitActive': async () => {
    const worker = work(() => sleep(20))
    const done = count(worker, 'completed')
    await queueOf().add({ n: '1' })
    await until('the first', () => done() === 1)
    await worker.pause(true)
    expect([worker.isPaused(), worker.isRunning()]).toEqual([true, true])
    worker.resume()
    expect([worker.isPaused(), worker.isRunning()]).toEqual([false, true])
    await queueOf().add({ n: '2' })
    await until('the second', () => done() === 2)
  },
})
