import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import { createLogger } from '#runtime/logger.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'
import { createRetryWorker } from '#workers/retry.worker.ts'

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

test('a job that failed for good keeps no stack and little text; it can be listed, retried and removed', async () => {
  const prefix = 'failed-for-good'
  const client = new Redis(redis.url, { maxRetriesPerRequest: null })
  const policy = { maxAttempts: 8, baseMs: 1, maxMs: 2 }
  const jobs = createRetryJobs({ connection: client, prefix, policy })
  const calls = new Map<string, number>()
  const process = async (targetId: string) => {
    const count = (calls.get(targetId) ?? 1) + 1
    calls.set(targetId, count)
    const reason = `HTTP_503 ${'x'.repeat(5000)}`
    return count < 8 ? ({ kind: 'later', reason } as const) : ({ kind: 'exhausted', reason } as const)
  }
  const processors = { VOUCHER: { process }, POINT: { process } }
  const logger = createLogger('test', 'silent')
  const worker = createRetryWorker({
    connection: client,
    prefix,
    policy,
    processors,
    logger,
  })
  await worker.start()
  const gifts = Array.from({ length: 20 }, (_, index) => ({ type: 'VOUCHER' as const, targetId: String(9e15 + index) }))
  await jobs.add(gifts.map(data => ({ data: { ...data, promotionId: '42' }, attempts: 1 })))
  const failedKey = `${prefix}:${RETRY_QUEUE_NAME}:failed`
  await until('all have failed', async () => (await client.zcard(failedKey)) === 20)
  for (const { targetId } of gifts) {
    const key = `${prefix}:${RETRY_QUEUE_NAME}:VOUCHER-${targetId}`
    const { stacktrace, failedReason } = await client.hgetall(key)
    expect([stacktrace, failedReason?.slice(0, 8), failedReason?.length]).toEqual(['[]', 'HTTP_503', 100])
    // 3.6 kB with a stack; what is left depends on the allocator's size classes.
    expect(await client.memory('USAGE', key)).toBeLessThan(2000)
  }
  const listed = [...(await jobs.listFailed(0, 15)), ...(await jobs.listFailed(15, 15))]
  expect(listed.sort((a, b) => (a!.targetId < b!.targetId ? -1 : 1))).toEqual(gifts)
  expect(await jobs.remove(gifts.slice(0, 5))).toBe(5)
  expect(await client.zcard(failedKey)).toBe(15)
  await worker.stop()
  await jobs.stop()
  client.disconnect()
})
