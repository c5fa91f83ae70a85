import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions.ts'
import { createGiftResultRepositories } from '#database/results.ts'
import { moveUnknownToRetrying } from '#database/unknown.ts'
import { PromotionConsumerRegistry } from '#promotion/consumer-registry.ts'
import { createRetryJobs, type RetryJobs, type RetryRequest } from '#promotion/retry-jobs.ts'
import { PromotionStreamProducer } from '#promotion/stream-producer.ts'
import { reconciliationRound, sweepRound, type UpkeepDeps } from '#promotion/upkeep.ts'
import { pointQueue } from '#queues/point.queue.ts'
import { voucherQueue } from '#queues/voucher.queue.ts'
import { createLogger } from '#runtime/logger.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis, until } from '../support/redis.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '../support/stack-env.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository
let redis: TestRedis
let bull: Redis
let connection: StreamConnection
let retryJobs: RetryJobs

beforeAll(async () => {
  ;[db, redis] = await Promise.all([createTestDatabase(), startTestRedis()])
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
  bull = new Redis(redis.url, { maxRetriesPerRequest: null })
  retryJobs = createRetryJobs({
    connection: bull,
    prefix: 'test',
    policy: { maxAttempts: 8, baseMs: 60_000, maxMs: 60_000 },
  })
}, 60_000)
afterAll(async () => {
  await retryJobs.stop()
  bull.disconnect()
  await connection.close()
  await Promise.all([redis.stop(), db.drop()])
})

const logger = createLogger('test', 'silent')
const always = () => true

function depsOf(overrides: Partial<UpkeepDeps> = {}): UpkeepDeps {
  const deps: UpkeepDeps = {
    kysely,
    promotions,
    registry: new PromotionConsumerRegistry(logger),
    producer: new PromotionStreamProducer({ connection, maxLen: 100_000 }),
    streams: { VOUCHER: voucherQueue, POINT: pointQueue },
    events: { publish: async () => undefined } as unknown as UpkeepDeps['events'],
    topic: 'completed',
    quietMs: 0,
    logger,
    retryJobs,
    sweepAgeMs: 0,
    unknown: undefined as never,
    ...overrides,
  }
  const moneyApi = { lookup: async () => ({ kind: 'no-charge' as const }) }
  const unknown = {
    ...{ kysely, moneyApi, resultUpdateService: { updateSuccess: async () => undefined } as never },
    ...{ retryJobs: deps.retryJobs, recheckMs: 60_000, logger },
  }
  return { ...deps, unknown }
}

async function promotion(status = 'IN_PROGRESS', totalCount = 0): Promise<string> {
  const id = String(uniqueId())
  await promotions.create({ id, name: 'test', type: 'VOUCHER', totalCount })
  await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)
  return id
}

/** Rows of a promotion, each moved on to `to`. */
async function gifts(promotionId: string, count: number, to?: 'RETRYING' | 'UNKNOWN' | 'FAILED' | 'SUCCESS') {
  const results = createGiftResultRepositories(kysely).VOUCHER
  const first = uniqueId() * 10_000n
  const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
  for (const targetId of targets) {
    const gift = { promotionId, promotionSummaryId: promotionId, targetId, partitionKey: 'k', memberId: '7' }
    const place = { kafkaPartition: 0, kafkaOffset: '0', wantsEntry: true }
    await results.insert({ ...gift, amount: '100', message: '{}', ...place })
    if (to === 'SUCCESS') await results.move({ targetId, to, moneyKey: 'tx', posts: 1 })
    else if (to !== undefined) await results.move({ targetId, to, errorCode: 'x', errorMessage: '', posts: 1 })
  }
  return targets
}

const endAll = () => sql`update campaign_promotion set status = 'READY'`.execute(kysely)

describe('a Redis that hangs holds up no round of all instances', () => {
  test('reviving retry jobs fails after 5 s, then at once, and works again when Redis does', async () => {
    const job: RetryRequest = { data: { type: 'VOUCHER', promotionId: '1', targetId: '1' }, attempts: 1 }
    expect(await retryJobs.revive([job])).toBe(1)
    redis.server.signal('SIGSTOP')
    try {
      await expect(retryJobs.revive([job])).rejects.toThrow('took longer than 5000 ms')
      const from = performance.now()
      await expect(retryJobs.revive([job])).rejects.toThrow('is still waiting')
      expect(performance.now() - from).toBeLessThan(1000)
    } finally {
      redis.server.signal('SIGCONT')
    }
    await until('jobs are revived', () =>
      retryJobs.revive([job]).then(
        revived => revived === 0,
        () => false,
      ),
    )
  }, 20_000)

  test('a gift whose retry job cannot be looked after keeps nobody from asking about the others', async () => {
    const id = await promotion()
    const [retrying, unknown] = await gifts(id, 2, 'UNKNOWN')
    await moveUnknownToRetrying(kysely, { id, type: 'VOUCHER' }, [retrying!], 0)
    await sql`update campaign_promotion_unknown_check set next_check_at = now() - interval '1 second'`.execute(kysely)
    const asked: string[] = []
    const deps = depsOf({ retryJobs: { revive: () => Promise.reject(new Error('Redis is away')) } })
    deps.unknown.moneyApi.lookup = async ({ targetId }) => {
      asked.push(targetId)
      return { kind: 'no-charge' }
    }
    await reconciliationRound(deps, always)
    expect(asked).toEqual([unknown])
    await endAll()
  })
})

test('a process that stops begins no further promotion, page or question', async () => {
  for (const id of [await promotion(), await promotion()]) await gifts(id, 1, 'RETRYING')
  let revived = 0
  const deps = depsOf({
    retryJobs: {
      revive: async () => {
        revived += 1
        return 0
      },
    },
  })
  await sweepRound(deps, () => revived === 0)
  expect(revived).toBe(1)
  await sweepRound(deps, always)
  expect(revived).toBe(3)
  await endAll()
})
