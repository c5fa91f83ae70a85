import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { until } from '../../support/redis.ts'
import { GROUP, jobs, name, queueOf, redis, useRedis, work } from '../../support/stream-harness.ts'
import { count, leftBy, length, parity } from './parity.ts'
import { NO_FLOWS, NO_SETS, NOTHING_IS_KEPT } from './reasons.ts'
import { STALLED } from './titles.ts'

useRedis('installed')

parity('stalled jobs', STALLED, {
  'process stalled jobs when starting a queue': async () => {
    await leftBy('dead', 4)
    const worker = work(() => undefined, { claimMinIdleMs: 100 })
    const [stalled, done] = [count(worker, 'stalled'), count(worker, 'completed')]
    await until('4 completed', () => done() === 4)
    // On a busy machine one may go past min-idle again before its turn, and is announced again.
    expect(stalled()).toBeGreaterThanOrEqual(4)
  },
  "don't process stalled jobs when starting a queue with skipStalledCheck":
    'claims are not switched off; claimMinIdleMs says when they are due',
  'when stalled jobs stall more than allowable stalled limit › moves jobs to failed': async () => {
    // One bad end may be a neighbour's fault: it takes a second one.
    await leftBy('dead', 4)
    await redis.probe.xautoclaim(name, GROUP, 'dead-2', 0, '0')
    const worker = work(() => undefined, { claimMinIdleMs: 100, maxDeliveries: 2 })
    const [failed, done] = [count(worker, 'failed'), count(worker, 'completed')]
    await until('4 dead letters', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 4)
    expect([failed(), done()]).toEqual([4, 0])
  },
  'when stalled jobs stall more than allowable stalled limit › when retrying jobs › keeps stalledCounter': NO_SETS,
  'when stalled jobs stall more than allowable stalled limit › moves jobs to failed with maxStalledCount > 1':
    async () => {
      await leftBy('dead', 1)
      // Each claim is a delivery of a consumer that dies.
      for (const dead of ['dead-2', 'dead-3']) await redis.probe.xautoclaim(name, GROUP, dead, 0, '0')
      work(() => undefined, { claimMinIdleMs: 100, maxDeliveries: 3 })
      await until('a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 1)
      await until('gone', async () => (await length()) === 0)
    },
  'when failParentOnFailure is provided as true › should move parent to failed when child is moved to failed': NO_FLOWS,
  'when continueParentOnFailure is provided as true › should start processing parent when child is moved to failed':
    NO_FLOWS,
  'when ignoreDependencyOnFailure is provided as true › should move parent to waiting when child is moved to failed and save child failedReason':
    NO_FLOWS,
  'when removeDependencyOnFailure is provided as true › should move parent to waiting when child is moved to failed':
    NO_FLOWS,
  'when removeOnFail is provided as a number › keeps the specified number of jobs in failed': NOTHING_IS_KEPT,
  'when removeOnFail is provided as true › removes all job keys': NOTHING_IS_KEPT,
  'keeps the jobs with removeOnFail as false in failed': NOTHING_IS_KEPT,
  'when removeOnFail is provided as a object › keeps the specified number of jobs in failed respecting the age':
    NOTHING_IS_KEPT,
  'jobs not stalled while lock is extended': async () => {
    const gate = Promise.withResolvers<void>()
    const first = work(() => gate.promise, { claimMinIdleMs: 300 })
    const [begun, done] = [count(first, 'active'), count(first, 'completed')]
    await queueOf().addBulk(jobs(4))
    await until('4 begun', () => begun() === 4)
    const second = work(() => undefined, { claimMinIdleMs: 300 })
    const stalled = count(second, 'stalled')
    await sleep(1200)
    expect([stalled(), first.inFlight]).toEqual([0, 4])
    gate.resolve()
    await until('4 completed', () => done() === 4)
  },
})
