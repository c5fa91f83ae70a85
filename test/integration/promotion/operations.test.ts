import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createOperations, type Operations } from '#promotion/operations.ts'
import { refill } from '#promotion/upkeep/refill.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'

const logger = createLogger('test', 'silent')
let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository
let redis: TestRedis
let connection: StreamConnection
let operations: Operations
/** Targets whose retry job was revived, and whose key the Money API was asked about. */
let revived: string[]
let asked: string[]

beforeAll(async () => {
  ;[db, redis] = await Promise.all([createTestDatabase(), startTestRedis()])
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
}, 60_000)
afterAll(async () => {
  await connection.close()
  await Promise.all([redis.stop(), db.drop()])
})
beforeEach(() => {
  revived = []
  asked = []
  const streams = GIFT_TYPES
  operations = createOperations({
    kysely,
    promotions,
    streams,
    logger,
    retryJobs: {
      revive: async jobs => {
        revived.push(...jobs.map(({ data }) => data.targetId))
        return jobs.length
      },
    },
    money: {
      moneyApi: {
        lookup: async ({ targetId }) => {
          asked.push(targetId)
          return { kind: 'no-charge' }
        },
      },
      resultUpdateService: { updateSuccess: async () => undefined },
    },
  })
})

async function promotion(status = 'IN_PROGRESS'): Promise<string> {
  const id = String(uniqueId())
  await promotions.create({ id, name: 'test', type: 'VOUCHER', totalCount: 0 })
  await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)
  return id
}

async function gifts(promotionId: string, status: string, count = 1, enqueued = true): Promise<string[]> {
  const first = uniqueId() * 10_000n
  await sql`
    insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id, partition_key,
      member_id, amount, message, process_status, enqueued)
    select ${promotionId}::bigint, ${promotionId}::bigint, ${String(first)}::bigint + n, 'k', 7, 100, '{}', ${status},
      ${enqueued} from generate_series(0, ${count - 1}::int) n`.execute(kysely)
  return Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
}

const statusOf = async (targetId: string) =>
  (await createGiftResultRepositories(kysely).VOUCHER.find(targetId))?.processStatus

describe('finish', () => {
  test.each([
    ['RETRYING', 'PENDING', '0 PENDING and 1 RETRYING'],
    ['PENDING', 'RETRYING', '1 PENDING and 0 RETRYING'],
  ])('is refused while one gift is %s, none %s', async (status, _none, told) => {
    const id = await promotion()
    await gifts(id, 'SUCCESS', 3)
    await gifts(id, status)
    await expect(operations.finish(id)).rejects.toMatchObject({
      code: 'PROMOTION_UNFINISHED',
      message: expect.stringContaining(told),
    })
    expect((await promotions.find(id))?.status).toBe('IN_PROGRESS')
  })

  test('goes by with UNKNOWN and FAILED gifts, and those of other promotions', async () => {
    const [id, other] = [await promotion(), await promotion()]
    await gifts(id, 'UNKNOWN', 2)
    await gifts(id, 'FAILED')
    await gifts(other, 'PENDING')
    expect(await operations.finish(id)).toMatchObject({ changed: true, difference: 3 })
  })
})

describe('stop', () => {
  test.each(['READY', 'IN_PROGRESS', 'PAUSED'])('from %s', async status => {
    const id = await promotion(status)
    expect(await operations.stop(id)).toMatchObject({ changed: true, promotion: { status: 'STOPPED' } })
    expect((await promotions.find(id))?.status).toBe('STOPPED')
  })

  test('a COMPLETED one stays so', async () => {
    const id = await promotion('COMPLETED')
    await expect(operations.stop(id)).rejects.toMatchObject({ code: 'PROMOTION_WRONG_STATE' })
  })
})

describe('retry', () => {
  test('of another promotion’s gift is refused, and leaves it alone', async () => {
    const [id, other] = [await promotion(), await promotion()]
    const [own] = await gifts(id, 'UNKNOWN')
    const [foreign] = await gifts(other, 'UNKNOWN')
    await expect(operations.retryUnknown(id, { targetIds: [own!, foreign!] })).rejects.toMatchObject({
      code: 'GIFT_NOT_FOUND',
    })
    expect([await statusOf(own!), await statusOf(foreign!), revived]).toEqual(['UNKNOWN', 'UNKNOWN', []])
  })

  test.each(['SUCCESS', 'FAILED'])('of a %s gift is refused, with all that were named beside it', async status => {
    const id = await promotion()
    const [unknown, final] = [await gifts(id, 'UNKNOWN'), await gifts(id, status)].flat()
    await expect(operations.retryUnknown(id, { targetIds: [unknown!, final!] })).rejects.toMatchObject({
      code: 'GIFT_FINAL',
    })
    expect([await statusOf(unknown!), await statusOf(final!), revived]).toEqual(['UNKNOWN', status, []])
  })

  test('of gifts that are named takes them, over several pages, and no other', async () => {
    const id = await promotion()
    const named = await gifts(id, 'UNKNOWN', 703)
    const [other] = await gifts(id, 'UNKNOWN')
    expect(await operations.retryUnknown(id, { targetIds: named })).toMatchObject({ retried: 703 })
    expect(revived.sort()).toEqual(named.sort())
    expect(await statusOf(other!)).toBe('UNKNOWN')
  })

  test('of all takes every page, and only this promotion’s', async () => {
    const [id, other] = [await promotion(), await promotion()]
    const own = await gifts(id, 'UNKNOWN', 1203)
    const [foreign] = await gifts(other, 'UNKNOWN')
    expect(await operations.retryUnknown(id)).toMatchObject({ retried: 1203 })
    expect(revived.sort()).toEqual(own.sort())
    expect(await statusOf(foreign!)).toBe('UNKNOWN')
  })
})

test('reconcile asks about every UNKNOWN gift, over several pages, each once', async () => {
  const [id, other] = [await promotion(), await promotion()]
  const own = await gifts(id, 'UNKNOWN', 530)
  await gifts(id, 'SUCCESS', 3)
  await gifts(other, 'UNKNOWN', 3)
  expect(await operations.reconcileUnknown(id)).toMatchObject({ checked: 530, uncharged: 530 })
  expect(asked.sort()).toEqual(own.sort())
})

describe('refill', () => {
  const stateOf = async (id: string) => {
    const { rows } = await sql<{ left: number }>`select count(*)::float8 as left from campaign_promotion_voucher_result
      where promotion_id = ${id}::bigint and not enqueued`.execute(kysely)
    return { onStream: await redis.probe.xlen(GIFT_TYPES.VOUCHER.streamKey(id)), left: rows[0]?.left }
  }

  test('leaves a promotion to the session that is at it', async () => {
    const id = await promotion()
    await gifts(id, 'PENDING', 5, false)
    const producer = new PromotionStreamProducer({ connection, maxLen: 1000 })
    const work = () => refill({ id, type: 'VOUCHER' }, GIFT_TYPES.VOUCHER, { kysely, producer })
    await kysely.transaction().execute(async transaction => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`promostream refill ${id}`}, 0))`.execute(transaction)
      expect(await work()).toEqual({ moved: 0, isMoreLeft: true })
      expect(await stateOf(id)).toEqual({ onStream: 0, left: 5 })
    })
    expect(await work()).toMatchObject({ moved: 5 })
    expect(await stateOf(id)).toEqual({ onStream: 5, left: 0 })
  })

  test('and admission stop at 80 % of the bound', async () => {
    const id = await promotion()
    await gifts(id, 'PENDING', 150, false)
    const producer = new PromotionStreamProducer({ connection, maxLen: 100 })
    expect(await refill({ id, type: 'VOUCHER' }, GIFT_TYPES.VOUCHER, { kysely, producer })).toEqual({
      moved: 80,
      isMoreLeft: true,
    })
    expect(await stateOf(id)).toEqual({ onStream: 80, left: 70 })
    expect(await producer.admit(GIFT_TYPES.VOUCHER.streamKey(id))).toBe(false)
    await redis.probe.xtrim(GIFT_TYPES.VOUCHER.streamKey(id), 'MAXLEN', 60)
    expect(await new PromotionStreamProducer({ connection, maxLen: 100 }).admit(GIFT_TYPES.VOUCHER.streamKey(id))).toBe(
      true,
    )
  })
})
