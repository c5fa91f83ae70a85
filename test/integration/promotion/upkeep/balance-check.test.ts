import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { createBalanceCheck } from '#promotion/upkeep/balance-check.ts'
import { createLogger, type Logger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'

describe('conservation in upkeep: inserted = Σ states', () => {
  let db: TestDatabase
  let kysely: Kysely<unknown>
  let results: GiftResultRepositories

  beforeAll(async () => {
    db = await createTestDatabase()
    kysely = db.database.kysely
    results = createGiftResultRepositories(kysely)
  })
  afterAll(() => db.drop())
  beforeEach(() => sql`truncate campaign_promotion, campaign_promotion_summary`.execute(kysely))

  function checkOf() {
    const error = jest.fn()
    const logger = { ...createLogger('test', 'silent'), error } as unknown as Logger
    const metrics = createMetrics('test')
    const check = createBalanceCheck({ kysely, metrics, logger })
    const unbalanced = async () => {
      const text = await metrics.registry.getSingleMetricAsString('promostream_unbalanced_rows')
      return Number(/^promostream_unbalanced_rows\{.*\} (\d+)$/m.exec(text)?.[1])
    }
    return { check, error, unbalanced }
  }
  /** A promotion of three gifts: one paid, one refused, one waiting. */
  async function promotion(summaryId?: string): Promise<string> {
    const id = String(uniqueId())
    const repository = createPromotionRepository(kysely)
    await repository.create({ id, type: 'POINT', name: '', totalCount: 3 })
    await repository.start(id, 3)
    const base = { promotionId: id, promotionSummaryId: summaryId ?? id, partitionKey: 'k', memberId: '1', amount: '5' }
    const place = { message: '{}', kafkaPartition: 0, kafkaOffset: '0', wantsEntry: false }
    const targets = [1n, 2n, 3n].map(offset => String(BigInt(id) * 10n + offset)) as [string, string, string]
    for (const targetId of targets) await results.POINT.insert({ ...base, ...place, targetId })
    await results.POINT.move({ targetId: targets[0], to: 'SUCCESS', moneyKey: 'tx', posts: 1 })
    await results.POINT.move({ targetId: targets[1], to: 'FAILED', errorCode: 'x', errorMessage: '', posts: 1 })
    return id
  }

  test('what balances raises no alarm, promotions that share a summary included', async () => {
    await promotion()
    await promotion('77')
    await promotion('77')
    const { check, error, unbalanced } = checkOf()
    await check.round()
    expect(error).not.toHaveBeenCalled()
    expect(await unbalanced()).toBe(0)
  })

  test('planted bug: a counter that moved without its row raises the alarm, with the numbers, and the gauge', async () => {
    await promotion()
    const id = await promotion()
    await sql`update campaign_promotion_summary set success_count = 3 where id = ${id}::bigint`.execute(kysely)
    const { check, error, unbalanced } = checkOf()
    await check.round()
    expect(error.mock.calls).toEqual([
      [
        {
          promotionId: id,
          inserted: 3,
          ...{ PENDING: 1, RETRYING: 0, SUCCESS: 1, FAILED: 1, UNKNOWN: 0 },
          successCount: 3,
          failedCount: 1,
          difference: 2,
        },
        `conservation broken: promotion ${id} has 1 SUCCESS and 1 FAILED rows, its summaries say 3 and 1`,
      ],
    ])
    expect(await unbalanced()).toBe(2)
    await check.round()
    expect(error).toHaveBeenCalledTimes(1)
  })

  test('planted bug: a row lost after it was counted', async () => {
    const id = await promotion()
    await sql`delete from campaign_promotion_point_result where promotion_id = ${id}::bigint and process_status = 'SUCCESS'`.execute(
      kysely,
    )
    const { check, error } = checkOf()
    await check.round()
    expect(error).toHaveBeenCalledTimes(1)
  })

  test('one instance at a time', async () => {
    const id = await promotion()
    await sql`update campaign_promotion_summary set failed_count = 9 where id = ${id}::bigint`.execute(kysely)
    const { check, error } = checkOf()
    await kysely.connection().execute(async other => {
      await sql`select pg_advisory_lock(4242, 5)`.execute(other)
      await check.round()
      await sql`select pg_advisory_unlock(4242, 5)`.execute(other)
    })
    expect(error).not.toHaveBeenCalled()
    await check.round()
    expect(error).toHaveBeenCalledTimes(1)
  })
})
