import { expect } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { idsOf, jobs, name, queueOf, redis, useRedis, work } from '../../support/stream-harness.ts'
import { count, eachFailsOnce, mostAtOnce, parity } from './parity.ts'
import { EVENTS_ARE_THE_WORKERS, LIMIT_IS_FIXED, NO_FLOWS, SLOTS_ARE_A_PROCESSES } from './reasons.ts'
import { CONCURRENCY } from './titles.ts'

useRedis('installed')

parity('concurrency', CONCURRENCY, {
  'should run max concurrency for jobs added (global concurrency)': SLOTS_ARE_A_PROCESSES,
  'should run max concurrency for jobs added (global concurrency removed)': async () =>
    expect(await mostAtOnce(16, 2)).toBe(2),
  'emits drained global event only once when worker is idle': EVENTS_ARE_THE_WORKERS,
  'when global dynamic limit is used › should run max concurrency for jobs added respecting global dynamic limit':
    LIMIT_IS_FIXED,
  'when global dynamic limit is used › when max limiter is greater than 1 › should run max concurrency for jobs added first processed':
    LIMIT_IS_FIXED,
  'when moving job to waiting-children › should run max concurrency for jobs added first processed': NO_FLOWS,
  'should automatically process stalled jobs respecting group order': SLOTS_ARE_A_PROCESSES,
  'when jobs use backoff strategy › processes jobs without getting stuck': () =>
    eachFailsOnce(2, { concurrency: 1, maxBackoffMs: 100 }),
  'when jobs use backoff strategy › when backoff is 0 › processes jobs without getting stuck': () =>
    eachFailsOnce(7, { concurrency: 4, maxBackoffMs: 0 }),
  'when lock is expired and removing a job in active state › does not get stuck in max state': async () => {
    const gate = Promise.withResolvers<void>()
    const worker = work(({ fields }) => (fields.n === '0' ? gate.promise : undefined), { concurrency: 1 })
    const done = count(worker, 'completed')
    const [id] = idsOf(await queueOf().addBulk(jobs(4)))
    await until('begun', () => worker.inFlight === 1)
    await redis.probe.xdel(name, id as string)
    gate.resolve()
    await until('all completed', () => done() === 4)
  },
})
