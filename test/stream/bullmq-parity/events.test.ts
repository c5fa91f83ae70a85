import { expect } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { jobs, queueOf, useRedis, work } from '../../support/stream-harness.ts'
import { BOOM, count, parity } from './parity.ts'
import { EVENTS_ARE_THE_WORKERS, NO_FLOWS, NO_RETURN_VALUE, NOTHING_IS_KEPT } from './reasons.ts'
import { EVENTS } from './titles.ts'

useRedis('installed')

parity('events', EVENTS, {
  'when autorun option is provided as false › emits waiting when a job has been added': EVENTS_ARE_THE_WORKERS,
  'when autorun option is provided as false › when run method is called when queueEvent is running › throws error':
    EVENTS_ARE_THE_WORKERS,
  'should emit waiting when a job has been added': EVENTS_ARE_THE_WORKERS,
  'should emit global waiting event when a job has been added': EVENTS_ARE_THE_WORKERS,
  'when jobs are cleaned › emits cleaned global event': NOTHING_IS_KEPT,
  'emits drained global event when all jobs have been processed': EVENTS_ARE_THE_WORKERS,
  'when concurrency is greater than 1 › emits drained global event when all jobs have been processed':
    EVENTS_ARE_THE_WORKERS,
  'emits drained global event only once when worker is idle': EVENTS_ARE_THE_WORKERS,
  'emits drained event in worker when all jobs have been processed': async () => {
    const worker = work(() => undefined)
    const [drained, done] = [count(worker, 'drained'), count(worker, 'completed')]
    await queueOf().addBulk(jobs(2))
    await until('drained', () => drained() >= 1 && done() === 2)
  },
  'emits error event when there is an error on other events': async () => {
    const worker = work(() => undefined)
    const [errors, done] = [count(worker, 'error'), count(worker, 'completed')]
    worker.once('completed', () => {
      throw BOOM
    })
    await queueOf().add({ n: '1' })
    await until('an error', () => errors() === 1)
    expect(done()).toBe(1)
  },
  'when one job is added › emits added event': EVENTS_ARE_THE_WORKERS,
  'when job has been added again › emits duplicated event':
    'entries have no ids of the user’s: two that are added are two entries',
  'should emit an event when a job becomes active': async () => {
    const worker = work(() => undefined)
    const order: string[] = []
    worker.on('active', () => order.push('active'))
    worker.on('completed', () => order.push('completed'))
    await queueOf().add({ n: '1' })
    await until('completed', () => order.includes('completed'))
    expect(order).toEqual(['active', 'completed'])
  },
  'should emit an active event for every processed job': async () => {
    const worker = work(() => undefined)
    const [begun, done] = [count(worker, 'active'), count(worker, 'completed')]
    await queueOf().addBulk(jobs(20))
    await until('20 completed', () => done() === 20)
    expect(begun()).toBe(20)
  },
  'when one job is a parent › emits waiting-children and waiting event': NO_FLOWS,
  'should listen to global events': EVENTS_ARE_THE_WORKERS,
  'emits completed global event with the deserialized return value': NO_RETURN_VALUE,
})
