import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { createEventLoopDelay } from '#runtime/event-loop-delay.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { createReadiness, type ReadinessCheck } from '#runtime/readiness.ts'
import { createWorkProgress } from '#runtime/work-progress.ts'

function readiness(checks: readonly ReadinessCheck[], options: { checkTimeoutMs?: number; cacheMs?: number } = {}) {
  const lines: string[] = []
  const log = (first: unknown, second?: string) => void lines.push(second ?? String(first))
  const logger = { warn: log, info: log } as never
  return { ...createReadiness({ checks, logger, cacheMs: 0, ...options }), lines }
}

const failing = (message: string) => () => Promise.reject(new Error(message))

describe('/ready', () => {
  test('each check is a metric, which shows the latest answer', async () => {
    const metrics = createMetrics('test')
    let away = false
    const checks = [
      { name: 'database', check: () => (away ? Promise.reject(new Error('x')) : undefined) },
      { name: 'kafka', check: () => undefined },
    ]
    const logger = { warn: () => undefined, info: () => undefined } as never
    const { read } = createReadiness({ checks, logger, metrics, cacheMs: 0 })
    const exposed = async () => (await metrics.registry.metrics()).match(/^promostream_ready.*/gm)
    expect(await exposed()).toBeNull()
    await read()
    away = true
    await read()
    expect(await exposed()).toEqual([
      'promostream_ready{check="database",process="test"} 0',
      'promostream_ready{check="kafka",process="test"} 1',
    ])
  })

  test('is ready when all checks are, and names those that are not', async () => {
    const { read } = readiness([
      { name: 'one', check: () => undefined },
      { name: 'two', check: failing('x'), saysWhy: true },
    ])
    expect(await read()).toEqual({ ready: false, checks: { one: 'ok', two: 'x' } })
  })

  test.each([
    'connect ECONNREFUSED 10.1.2.3:5432',
    'getaddrinfo ENOTFOUND db.internal:6379',
    'redis://user:secret@db',
    'connect ECONNREFUSED ::1:6379',
    'password authentication failed for user@host',
  ])('shows strangers no address, and the log all of it: %s', async detail => {
    for (const saysWhy of [true, false]) {
      const { read, lines } = readiness([{ name: 'database', check: failing(detail), saysWhy }])
      expect((await read()).checks).toEqual({ database: 'does not answer' })
      expect(lines.join()).toContain(detail)
    }
  })

  test('shows the words of a check only where they are ours', async () => {
    const { read } = readiness([{ name: 'database', check: failing('role "admin" does not exist') }])
    expect((await read()).checks).toEqual({ database: 'does not answer' })
  })

  test('a check that does not end is a failure, and is not asked again meanwhile', async () => {
    let asked = 0
    const check = () => {
      asked += 1
      return new Promise<void>(() => undefined)
    }
    const { read } = readiness([{ name: 'slow', check }], { checkTimeoutMs: 20 })
    for (let times = 0; times < 5; times += 1) expect((await read()).ready).toBe(false)
    expect(asked).toBe(1)
  })

  test('however often it is asked, a check runs once in the time of the cache', async () => {
    let asked = 0
    const check = () => {
      asked += 1
    }
    const { read } = readiness([{ name: 'database', check }], { cacheMs: 60_000 })
    await Promise.all(Array.from({ length: 100 }, read))
    await read()
    expect(asked).toBe(1)
  })

  test('the cache ends: what has changed is told, and logged once', async () => {
    let isThere = false
    const check = () => (isThere ? undefined : Promise.reject(new Error('away')))
    const { read, lines } = readiness([{ name: 'redis', check }])
    for (let times = 0; times < 3; times += 1) expect((await read()).ready).toBe(false)
    isThere = true
    for (let times = 0; times < 3; times += 1) expect((await read()).ready).toBe(true)
    expect(lines).toEqual(['not ready: redis (away)', 'ready'])
  })
})

test('work that gets on is never old, whatever it takes; work that stands still is; no work is not', async () => {
  const batches = createWorkProgress('batches')
  expect(batches.ageMs).toBe(0)
  const done = Promise.withResolvers<void>()
  const work = batches.track(() => done.promise)
  await sleep(60)
  expect(batches.ageMs).toBeGreaterThan(40)
  batches.turned()
  expect(batches.ageMs).toBeLessThan(40)
  done.resolve()
  await work
  await sleep(60)
  expect(batches.ageMs).toBe(0)
})

test('an event loop that is late again and again is a reason; one long stall is not', async () => {
  const metrics = createMetrics('test')
  await using delay = createEventLoopDelay({ metrics, maxMs: 60, sampleMs: 100 })
  await delay.start()
  const block = (ms: number) => {
    const endMs = performance.now() + ms
    while (performance.now() < endMs);
  }
  block(400)
  await sleep(300)
  delay.assertBelow()
  expect(await metrics.registry.metrics()).toMatch(/promostream_event_loop_delay_seconds\{[^}]*\} 0\.[1-9]/)
  for (let times = 0; times < 20; times += 1) {
    block(120)
    await sleep(1)
  }
  expect(() => delay.assertBelow()).toThrow(/the event loop was more than 60 ms late/)
})
