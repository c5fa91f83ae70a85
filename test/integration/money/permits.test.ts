import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { Permits } from '#money/permits.ts'
import { createLogger } from '#runtime/logger.ts'
import { createFailFastRedisClient } from '#runtime/redis.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'
import { slowTest } from '#test/support/slow-test.ts'

const logger = createLogger('test', 'silent')
let redis: TestRedis
const opened: { permits: Permits; client: ReturnType<typeof createFailFastRedisClient> }[] = []

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())
afterEach(() => {
  for (const { permits, client } of opened.splice(0)) {
    permits.stop()
    client.disconnect()
  }
})

async function open(instance: string, limit: number): Promise<Permits> {
  const client = createFailFastRedisClient({ url: redis.url, cluster: false, logger })
  await client.connect()
  const permits = new Permits({ limit, redis: client, instance, logger })
  opened.push({ permits, client })
  await permits.start()
  return permits
}

/** Takes as many as there are, `slots` at once, for `ms`; returns how many. */
async function drain(permits: Permits, slots: number, ms: number): Promise<number> {
  const until = AbortSignal.timeout(ms)
  let taken = 0
  const slot = async () => {
    while (!until.aborted) if (await permits.take(until)) taken += 1
  }
  await Promise.all(Array.from({ length: slots }, slot))
  return taken
}

const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0)

async function scriptCalls(): Promise<number> {
  const stats = await redis.probe.info('commandstats')
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

test('two instances together get the limit, a hundred permits a question', async () => {
  const both = await Promise.all([open('a', 5000), open('b', 5000)])
  const callsBefore = await scriptCalls()
  const taken = total(await Promise.all(both.map(permits => drain(permits, 400, 3000))))
  expect(taken).toBeLessThanOrEqual(5000 * 3.2)
  expect(taken).toBeGreaterThan(5000 * 3 * 0.6)
  expect((await scriptCalls()) - callsBefore).toBeLessThan(taken / 10)
})

slowTest('one that wants little leaves the rest to the other', async () => {
  const [idle, busy] = await Promise.all([open('a', 500), open('b', 500)])
  const counts = await Promise.all([drain(idle, 1, 10), drain(busy, 200, 3000)])
  expect(counts[1]).toBeGreaterThan(500 * 3 * 0.7)
  expect(total(counts)).toBeLessThanOrEqual(500 * 3.2)
})

test('a limit of a few calls a second holds', async () => {
  const both = await Promise.all([open('a', 5), open('b', 5)])
  const taken = total(await Promise.all(both.map(permits => drain(permits, 20, 3000))))
  expect(taken).toBeGreaterThanOrEqual(10)
  expect(taken).toBeLessThanOrEqual(17)
})

test('who gives up waiting gets none, and takes none from the others', async () => {
  const permits = await open('a', 5)
  await drain(permits, 5, 300)
  const abort = new AbortController()
  const waiting = Array.from({ length: 50 }, () => permits.take(abort.signal))
  abort.abort()
  const last = permits.take()
  // A new second may begin while they ask.
  expect((await Promise.all(waiting)).filter(isGranted => isGranted).length).toBeLessThanOrEqual(5)
  expect(await last).toBe(true)
})

test('closed, it gives what it has, and nobody waits for more', async () => {
  const permits = await open('a', 10)
  expect(await permits.take()).toBe(true)
  const waiting = Array.from({ length: 50 }, () => permits.take())
  permits.close()

  expect((await Promise.all(waiting)).filter(isGranted => isGranted).length).toBeLessThanOrEqual(10)
  expect(await Promise.all(Array.from({ length: 20 }, () => permits.take()))).toContain(false)
})

slowTest('without Redis each gets its share: payments go on, and the limit is not exceeded grossly', async () => {
  const both = await Promise.all([open('a', 500), open('b', 500)])
  await Promise.all(both.map(permits => drain(permits, 100, 500)))
  // Both know of each other by now.
  await until('two callers', async () => (await redis.probe.zcard('promostream:money:callers')) >= 2)
  await sleep(2200)
  await redis.server.stop()
  const taken = total(await Promise.all(both.map(permits => drain(permits, 100, 3000))))
  expect(taken).toBeGreaterThan(500 * 3 * 0.5)
  expect(taken).toBeLessThanOrEqual(500 * 4.2)
})
