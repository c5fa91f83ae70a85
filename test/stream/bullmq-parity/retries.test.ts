import { expect } from '@jest/globals'
import { deadLetter, retryLater } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { abandoned, jobs, name, pendingOf, queueOf, redis, useRedis, work } from '../../support/stream-harness.ts'
import { BOOM, count, length, parity } from './parity.ts'
import {
  BACK_OFF_IS_THE_WORKERS,
  HANDLERS_ONLY,
  LIMIT_IS_FIXED,
  NO_DELAYED_JOBS,
  NO_FLOWS,
  NO_PRIORITY,
  NO_SETS,
  NO_STARTS,
  NO_STEPS,
  NOTHING_BLOCKS,
} from './reasons.ts'
import { RETRIES } from './titles.ts'

useRedis('installed')

parity('worker: retries and backoffs', RETRIES, {
  "updates job's delay property if it fails and backoff is set": BACK_OFF_IS_THE_WORKERS,
  "when backoff type is exponential › updates job's delay property if it fails and backoff is set":
    BACK_OFF_IS_THE_WORKERS,
  "when backoff type is exponential › when jitter option is provided › updates job's delay property between 0 and max exponential backoff value":
    BACK_OFF_IS_THE_WORKERS,
  "when backoff type is exponential › when jitter is provided with lower value than 1 › updates job's delay property only applying jitter in a fixed percentage":
    BACK_OFF_IS_THE_WORKERS,
  "when backoff type is fixed › updates job's delay property and respects fixed delay value": BACK_OFF_IS_THE_WORKERS,
  "when backoff type is fixed › when jitter option is provided › updates job's delay property between 0 and max fixed backoff value":
    BACK_OFF_IS_THE_WORKERS,
  "when backoff type is fixed › when jitter is provided with lower value than 1 › updates job's delay property only applying jitter in a fixed percentage":
    BACK_OFF_IS_THE_WORKERS,
  'when attempts is 1 and job fails › should execute job only once and emits retries-exhausted event': async () => {
    let calls = 0
    const deadLetters: string[] = []
    work(
      () => {
        calls++
        throw BOOM
      },
      { maxDeliveries: 1, maxBackoffMs: 10, onPoison: ({ id }) => void deadLetters.push(id) },
    )
    const { id } = await queueOf().add({ n: '1' })
    await until('a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 1)
    expect([calls, deadLetters]).toEqual([1, [id]])
  },
  'when jobs do not fail and get the maximum attempts limit › does not emit retries-exhausted event': async () => {
    let deadLetters = 0
    const done = count(
      work(() => undefined, { maxDeliveries: 1, onPoison: () => void deadLetters++ }),
      'completed',
    )
    await queueOf().addBulk(jobs(3))
    await until('3 completed and gone', async () => done() === 3 && (await length()) === 0)
    expect(deadLetters).toBe(0)
  },
  'when job has been failed and moved to wait › saves failedReason': LIMIT_IS_FIXED,
  'should automatically retry a failed job if attempts is bigger than 1': async () => {
    const deliveries: number[] = []
    const worker = work(
      entry => {
        deliveries.push(entry.deliveries)
        if (deliveries.length < 3) throw BOOM
      },
      { maxBackoffMs: 10 },
    )
    const done = count(worker, 'completed')
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 1)
    expect(deliveries).toEqual([1, 2, 3])
  },
  'when there are delayed jobs between retries › when using retryJob › promotes delayed jobs first': NO_DELAYED_JOBS,
  'when there are delayed jobs between retries › when job has more priority than delayed jobs › executes retried job first':
    NO_PRIORITY,
  'should not retry a failed job more than the number of given attempts times': async () => {
    let calls = 0
    const worker = work(
      () => {
        calls++
        throw BOOM
      },
      { maxDeliveries: 3, maxBackoffMs: 10 },
    )
    const done = count(worker, 'completed')
    await queueOf().add({ n: '1' })
    await until('a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 1)
    await until('gone', async () => (await length()) === 0)
    expect([calls, done()]).toEqual([3, 0])
  },
  'should retry a job after a delay if a fixed backoff is given': BACK_OFF_IS_THE_WORKERS,
  'when UnrecoverableError is throw › moves job to failed': async () => {
    const worker = work(() => deadLetter('Unrecoverable'))
    const errors: string[] = []
    worker.on('failed', (_entry, error) => errors.push(error.message))
    await queueOf().add({ n: '1' })
    await until('a dead letter', async () => (await redis.probe.xlen(`${name}:dead-letter`)) === 1)
    expect(errors).toEqual(['Unrecoverable'])
  },
  'when providing a way to execute step jobs › should retry a job after a delay if a fixed backoff is given, keeping the current step':
    NO_STEPS,
  'when providing a way to execute step jobs › should check if timeout is reached in each step': NO_STEPS,
  'when providing a way to execute step jobs › when moving job to delayed in one step › should retry job after a delay time, keeping the current step':
    async () => {
      const times: number[] = []
      const worker = work(() => {
        times.push(performance.now())
        return times.length < 2 ? retryLater({ delayMs: 200, reason: 'the next step' }) : undefined
      })
      const done = count(worker, 'completed')
      await queueOf().add({ n: '1' })
      await until('completed', () => done() === 1)
      expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(190)
    },
  'when providing a way to execute step jobs › when passing maxStartedAttempts › should fail job when consuming the max started attempts':
    NO_STARTS,
  'when providing a way to execute step jobs › when passing maxStartedAttempts › should allow only retry a job once after it has reached the max attemptsStarted':
    NO_STARTS,
  'when providing a way to execute step jobs › when moving job to waiting in one step › should retry job right away, keeping the current step':
    async () => {
      let calls = 0
      const worker = work(() => (calls++ === 0 ? retryLater({ delayMs: 0, reason: 'the next step' }) : undefined))
      const done = count(worker, 'completed')
      await queueOf().add({ n: '1' })
      await until('completed', () => done() === 1)
      expect(calls).toBe(2)
    },
  'should retry a job after a delay if an exponential backoff is given': async () => {
    const times: number[] = []
    const worker = work(() => {
      times.push(performance.now())
      if (times.length < 4) throw BOOM
    })
    const done = count(worker, 'completed')
    await queueOf().add({ n: '1' })
    await until('completed', () => done() === 1)
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    // Half of 200, 400, 800 ms at least: the other half is jitter.
    expect(pauses.map((pause, index) => pause >= 95 * 2 ** index)).toEqual([true, true, true])
  },
  'should retry a job after a delay if a custom backoff is given': BACK_OFF_IS_THE_WORKERS,
  'when applying custom backoff by type › should retry a job after a delay for custom type': BACK_OFF_IS_THE_WORKERS,
  'should not retry a job if the custom backoff returns -1': BACK_OFF_IS_THE_WORKERS,
  'should retry a job after a delay if a custom backoff is given based on the error thrown': BACK_OFF_IS_THE_WORKERS,
  'should retry a job after a delay if a custom backoff is given based on the job data': BACK_OFF_IS_THE_WORKERS,
  'should be able to handle a custom backoff if it returns a promise': BACK_OFF_IS_THE_WORKERS,
  'should not retry a job that has been removed': async () => {
    let calls = 0
    const worker = work(
      () => {
        calls++
        throw BOOM
      },
      { maxBackoffMs: 60_000 },
    )
    const failed = count(worker, 'failed')
    const { id } = await queueOf().add({ n: '1' })
    await until('failed', () => failed() === 1)
    await worker.close()
    abandoned.add(worker.consumer)
    await redis.probe.xdel(name, id)
    const next = work(() => void calls++, { claimMinIdleMs: 100 })
    await until('it is pending no more', async () => (await pendingOf()) === 0)
    expect([calls, await length(), next.isRunning()]).toEqual([1, 0, true])
  },
  'should not retry a job that has been retried already': NO_SETS,
  'should only retry a job once after it has reached the max attempts': NO_SETS,
  'should not retry a job that is active': NO_SETS,
  'Manually process jobs › should allow to complete jobs manually': HANDLERS_ONLY,
  'Manually process jobs › when move job to waiting-children › throws an error': NO_FLOWS,
  'Manually process jobs › should allow to fail jobs manually': HANDLERS_ONLY,
  'Manually process jobs › should emit active event when calling getNextJob': HANDLERS_ONLY,
  'Manually process jobs › should move the job to failed automatically on the next getNextJob call and return undefined when no other jobs are waiting':
    HANDLERS_ONLY,
  'Manually process jobs › should fail the deferred-failure job and return the next waiting job': HANDLERS_ONLY,
  'non-blocking › should block by default': NOTHING_BLOCKS,
  "non-blocking › shouldn't block when disabled": NOTHING_BLOCKS,
})
