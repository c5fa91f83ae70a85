import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { CredentialsLatch, clearCredentialsLatch, readCredentialsLatch } from '#money/credentials-latch.ts'
import { createLogger } from '#runtime/logger.ts'
import { createFailFastRedisClient } from '#runtime/redis.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'
import { slowTest } from '#test/support/slow-test.ts'

const logger = createLogger('test', 'silent')
let redis: TestRedis
let stops: (() => void)[] = []

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())
beforeEach(() => redis.probe.flushall())
afterEach(() => {
  for (const stop of stops) stop()
  stops = []
})

/** An instance; `probes` counts its own, which find what `answer` says. */
async function open(answer: { isTaken: boolean | undefined }) {
  const client = createFailFastRedisClient({ url: redis.url, cluster: false, logger })
  await client.connect()
  const instance = { probes: 0 }
  const latch = new CredentialsLatch({
    redis: client,
    logger,
    onChange: () => undefined,
    tickMs: 200,
    probeIntervalMs: 1000,
    probe: async () => {
      instance.probes += 1
      return answer.isTaken
    },
  })
  await latch.start()
  stops.push(() => {
    latch.stop()
    client.disconnect()
  })
  return { latch, instance }
}

test('all instances say the same refusal, one of them probes, and its success lifts it for all', async () => {
  const answer = { isTaken: false }
  const all = await Promise.all([open(answer), open(answer), open(answer)])
  all[0].latch.refused('HTTP_401')
  all[1].latch.refused('HTTP_403')
  await until(
    'all to know',
    () => new Set(all.map(({ latch }) => latch.refusal?.since)).size === 1 && !!all[2].latch.refusal,
  )
  await until('a probe', () => all.some(({ instance }) => instance.probes > 0), 10_000)
  const probed = () => all.reduce((sum, { instance }) => sum + instance.probes, 0)
  expect(probed()).toBe(1)

  answer.isTaken = true
  await until('nobody to be refused', () => all.every(({ latch }) => latch.refusal === undefined), 12_000)
  expect(probed()).toBeLessThanOrEqual(3)
  expect(await readCredentialsLatch(redis.probe)).toBeUndefined()
})

test('an operator lifts it; clearing what is not there says so', async () => {
  expect(await clearCredentialsLatch(redis.probe)).toBeUndefined()
  const { latch } = await open({ isTaken: false })
  latch.refused('HTTP_401')
  await until('the key', async () => (await readCredentialsLatch(redis.probe)) !== undefined)
  expect(await clearCredentialsLatch(redis.probe)).toMatchObject({ code: 'HTTP_401' })
  await until('the instance to hear of it', () => latch.refusal === undefined, 3000)
  // Refused again although it was lifted a moment ago.
  latch.refused('HTTP_403')
  await until('the key again', async () => (await readCredentialsLatch(redis.probe))?.code === 'HTTP_403')
})

slowTest(
  'without Redis an instance holds back and probes by itself, and tells what it knows when Redis is back',
  async () => {
    const answer = { isTaken: false }
    const { latch, instance } = await open(answer)
    await redis.server.stop()
    latch.refused('HTTP_401')
    await until('a probe', () => instance.probes > 0, 10_000)
    expect(latch.refusal).toMatchObject({ code: 'HTTP_401' })
    await redis.server.start()
    await until(
      'the key',
      async () => (await readCredentialsLatch(redis.probe).catch(() => undefined)) !== undefined,
      10_000,
    )
    answer.isTaken = true
    await until('the probe that is let in', () => latch.refusal === undefined, 12_000)
  },
)
