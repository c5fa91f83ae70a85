import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Queue } from 'bullmq'
import { createRetryJobs } from '#promotion/retry-jobs.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

const DAY_MS = 86_400_000
let redis: TestRedis

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

test('a retry message cannot put a gift off for longer than a day', async () => {
  const connection = { url: redis.url }
  const prefix = 'promostream'
  await using jobs = createRetryJobs({ connection, prefix, policy: { maxAttempts: 8, baseMs: 10, maxMs: 100 } })
  await jobs.start()
  const queue = new Queue(RETRY_QUEUE_NAME, { connection, prefix })
  const now = Date.now()
  const notBefores = [now + 60_000, now + 40 * DAY_MS, Number.MAX_SAFE_INTEGER, 1e300]
  await jobs.add(
    notBefores.map((notBefore, index) => ({
      data: { type: 'VOUCHER', promotionId: '1', targetId: String(index), notBefore },
      attempts: 1,
    })),
  )
  const delays: (number | undefined)[] = []
  for (const index of notBefores.keys()) delays.push((await queue.getJob(`VOUCHER-${index}`))?.delay)
  await queue.close()
  expect(delays[0]).toBeGreaterThan(50_000)
  expect(delays[0]).toBeLessThanOrEqual(60_000)
  expect(delays.slice(1)).toEqual([DAY_MS, DAY_MS, DAY_MS])
})
