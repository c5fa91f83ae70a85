import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { ProcessRepository } from '#database/processes.ts'
import { assertOwnRedis, createRedisOwner, takeOver } from '#promotion/redis-owner.ts'
import { createLogger } from '#runtime/logger.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'

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

/** A process of the installation `US` that counts what it says of itself, and what is fatal to it. */
function ownerOf(report: () => Promise<void> = async () => undefined) {
  const told = { reports: 0, removed: 0, fatal: [] as string[] }
  const processes = {
    identity: async () => US,
    findOther: async () => undefined,
    remove: async () => void told.removed++,
    report: async () => {
      told.reports++
      await report()
    },
  } as unknown as ProcessRepository
  const logger = createLogger('test', 'silent')
  const onFatal = (error: Error) => void told.fatal.push((error as Error & { code: string }).code)
  const owner = createRedisOwner({ processes, redis: [owned()], keyPrefix: '', kind: 'worker', logger, onFatal })
  return { owner, told }
}

test('a process says every two seconds that it is there, and once it has stopped no more', async () => {
  const { owner, told } = ownerOf()
  await owner.start()
  expect(told).toEqual({ reports: 1, removed: 0, fatal: [] })
  await until('it has reported again', () => told.reports === 2, 5000)
  await owner.stop()
  expect(told).toEqual({ reports: 2, removed: 1, fatal: [] })
  await new Promise(resolve => setTimeout(resolve, 2500))
  expect(told.reports).toBe(2)
})

test('a Redis that was wiped is marked again; one that another takes over ends the process', async () => {
  const { owner, told } = ownerOf()
  await owner.start()
  await redis.probe.flushall()
  await until('it is marked', async () => (await redis.probe.dbsize()) === 1, 5000)
  expect(told.fatal).toEqual([])
  await takeOver(owned(), '', { system: '8', name: 'theirs' })
  await until('it is told', () => told.fatal.length > 0, 5000)
  await owner.stop()
  expect(new Set(told.fatal)).toEqual(new Set(['REDIS_OWNER']))
})

test('a database that does not answer is no reason to end', async () => {
  let isAway = false
  const { owner, told } = ownerOf(async () => {
    if (isAway) throw new Error('away')
  })
  await owner.start()
  isAway = true
  await until('it has tried twice', () => told.reports === 3, 8000)
  await owner.stop()
  expect(told.fatal).toEqual([])
})

test('a start that is refused leaves no trace of the process', async () => {
  await takeOver(owned(), '', { system: '8', name: 'theirs' })
  const { owner, told } = ownerOf()
  await expect(owner.start()).rejects.toMatchObject({ code: 'REDIS_OWNER' })
  expect(told).toEqual({ reports: 1, removed: 1, fatal: [] })
})
