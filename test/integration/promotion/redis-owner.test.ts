import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { ProcessRepository } from '#database/processes.ts'
import { assertOwnRedis, takeOver } from '#promotion/redis-owner.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'

const US = { system: '7', name: 'ours' }

let redis: TestRedis
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())
beforeEach(async () => {
  await redis.probe.config('SET', 'maxmemory', '0')
  await redis.probe.flushall()
})

const owned = () => ({ variable: 'REDIS_STREAM_URL' as const, client: redis.probe })
const begin = () => {
  const processes = { findOther: async () => undefined } as unknown as ProcessRepository
  return assertOwnRedis({ processes, redis: [owned()], keyPrefix: '' }, US)
}
const fill = () => redis.probe.config('SET', 'maxmemory', '1')

test('out of memory, whose mark or nobody’s: a process begins, for it is what makes room', async () => {
  await fill()
  await begin()
  await redis.probe.config('SET', 'maxmemory', '0')
  await begin()
  await fill()
  await begin()
})

test('out of memory, marked by another: refused all the same', async () => {
  await takeOver(owned(), '', { system: '8', name: 'theirs' })
  await fill()
  await expect(begin()).rejects.toMatchObject({ code: 'REDIS_OWNER' })
})
