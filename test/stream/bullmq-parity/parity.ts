import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import type { StreamHandler, StreamWorker, StreamWorkerOptions } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { GROUP, type Job, jobs, name, queueOf, redis, work } from '../../support/stream-harness.ts'

/** A test of ours under BullMQ's title, or the reason why it does not apply. */
export type Case = string | (() => Promise<unknown>)

const TIMEOUT_MS = 20_000

/** Every title has its case, and none is made up: the compiler says so too. */
export function parity<Title extends string>(
  area: string,
  titles: readonly Title[],
  cases: Readonly<Record<Title, Case>>,
): void {
  describe(`BullMQ’s titles: ${area}`, () => {
    test('each has a test of ours, or a reason why it does not apply', () => {
      expect(Object.keys(cases).sort()).toEqual([...new Set(titles)].sort())
      for (const title of titles) if (typeof cases[title] === 'string') expect(cases[title].length).toBeGreaterThan(20)
    })
    for (const title of titles) {
      const each: Case = cases[title]
      if (typeof each !== 'string') test(title, () => each().then(() => undefined), TIMEOUT_MS)
    }
  })
}

export const BOOM = new Error('boom')
/** Nobody listens there. */
export const NOWHERE = 'redis://127.0.0.1:1'

export const length = () => redis.probe.xlen(name)

/** Counts an event from now on. */
export function count(worker: StreamWorker<never> | StreamWorker<Job> | StreamWorker, event: string): () => number {
  let times = 0
  ;(worker as StreamWorker).on(event as never, (() => times++) as never)
  return () => times
}

/** A handler that fails: `failed` with its own error, and the entry stays. */
export async function fails(handler: StreamHandler<Job>): Promise<void> {
  const worker = work(handler, { maxBackoffMs: 60_000 })
  const errors: [string, Error][] = []
  worker.on('failed', (job, error) => errors.push([job?.fields.n ?? '', error]))
  await queueOf().add({ n: '7' })
  await until('failed', () => errors.length === 1)
  expect(errors).toEqual([['7', BOOM]])
  expect(await length()).toBe(1)
}

/** Entries that a consumer was given and died with. */
export async function leftBy(consumer: string, howMany: number): Promise<void> {
  await queueOf().ensureGroup()
  await queueOf().addBulk(jobs(howMany))
  await redis.probe.xreadgroup('GROUP', GROUP, consumer, 'COUNT', howMany, 'STREAMS', name, '>')
}

export class MostAtOnce {
  now = 0
  most = 0

  readonly handler = async (): Promise<void> => {
    this.now += 1
    this.most = Math.max(this.most, this.now)
    await sleep(20)
    this.now -= 1
  }
}

/** The most handlers at once while so many jobs are done. */
export async function mostAtOnce(howMany: number, concurrency: number): Promise<number> {
  const most = new MostAtOnce()
  const done = count(work(most.handler, { concurrency }), 'completed')
  await queueOf().addBulk(jobs(howMany))
  await until('all completed', () => done() === howMany)
  return most.most
}

export async function eachFailsOnce(howMany: number, options: Partial<StreamWorkerOptions<Job>>): Promise<void> {
  const worker = work(({ deliveries }) => (deliveries === 1 ? Promise.reject(BOOM) : undefined), options)
  const [failed, done] = [count(worker, 'failed'), count(worker, 'completed')]
  await queueOf().addBulk(jobs(howMany))
  await until('all completed', () => done() === howMany)
  expect(failed()).toBe(howMany)
}

/** No more than `max` begin in a window; around a border there may be two windows' worth. */
export async function obeysLimit(howMany: number, max: number, concurrency = 10): Promise<void> {
  const times: number[] = []
  const worker = work(() => void times.push(performance.now()), { concurrency, limiter: { max } })
  const done = count(worker, 'completed')
  await queueOf().addBulk(jobs(howMany))
  await until('all completed', () => done() === howMany, 15_000)
  const windows = Math.ceil(howMany / max)
  // Whole windows lie between the first and the last.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan((windows - 2) * 1000)
  for (const from of times) {
    const inASecond = times.filter(time => time >= from && time < from + 900).length
    expect(inASecond).toBeLessThanOrEqual(2 * max)
  }
}
