import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import type { NewGift } from '#database/gifts/gift.ts'
import { createGiftResultRepository } from '#database/gifts/results.ts'
import { createSkippedRepository } from '#database/gifts/skipped.ts'
import { readProgress } from '#database/promotions/progress.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { readAskFirst, setAskFirst } from '#database/switches.ts'
import { isKeyOld } from '#money/charge.ts'
import { newGift } from '#test/support/gift-rows.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
})
afterAll(() => db.drop())

async function promotion(ceilings: { maxGiftCount?: string; maxTotalAmount?: string } = {}): Promise<string> {
  const id = String(uniqueId())
  await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 0, ...ceilings })
  return id
}

const gift = (promotionId: string, amount: string, overrides: Partial<NewGift> = {}) =>
  newGift({ promotionId, promotionSummaryId: promotionId, amount, ...overrides })

const insertAll = (gifts: readonly NewGift[], repository = createGiftResultRepository(kysely, 'VOUCHER')) =>
  Promise.all(gifts.map(each => repository.insert(each)))
const wordOf = (outcome: Awaited<ReturnType<typeof insertAll>>[number]) =>
  outcome.kind === 'skipped' ? outcome.reason : outcome.kind

async function sumOf(promotionId: string) {
  const { rows } = await sql<{ gifts: number; amount: number }>`
    select count(*)::float8 as gifts, coalesce(sum(amount), 0)::float8 as amount
    from campaign_promotion_voucher_result where promotion_id = ${promotionId}::bigint`.execute(kysely)
  return rows[0]
}

describe('what a gift and a promotion may come to', () => {
  test('a gift over the greatest amount is skipped, exactly from there on; one that has a row is a duplicate', async () => {
    const id = await promotion()
    const before = gift(id, '9223372036854775807')
    await insertAll([before])
    const limited = createGiftResultRepository(kysely, 'VOUCHER', { maxAmount: 9007199254740993n })
    const gifts = [gift(id, '9007199254740993'), gift(id, '9007199254740994'), before]
    expect((await insertAll(gifts, limited)).map(wordOf)).toEqual(['inserted', 'over-limit', 'duplicate'])
  })

  test('a ceiling of gifts and one of their sum: what does not fit is skipped, what fits after it is taken', async () => {
    const counted = await promotion({ maxGiftCount: '2' })
    const first = gift(counted, '1')
    expect((await insertAll([first, gift(counted, '1'), gift(counted, '1')])).map(wordOf)).toEqual([
      'inserted',
      'inserted',
      'over-budget',
    ])
    const summed = await promotion({ maxTotalAmount: '100' })
    const gifts = ['60', '50', '30', '10', '1'].map(amount => gift(summed, amount))
    expect((await insertAll(gifts)).map(wordOf)).toEqual([
      'inserted',
      'over-budget',
      'inserted',
      'inserted',
      'over-budget',
    ])
    expect((await insertAll([first, gifts[0]!, gifts[1]!])).map(wordOf)).toEqual([
      'duplicate',
      'duplicate',
      'over-budget',
    ])
    // Neither takes room twice.
    const twice = gift(await promotion({ maxGiftCount: '2' }), '1')
    const other = gift(twice.promotionId, '1')
    expect((await insertAll([twice, twice, other])).map(wordOf)).toEqual(['inserted', 'duplicate', 'inserted'])
  })

  test('eight listeners at once take exactly what fits, and never deadlock', async () => {
    const ids = [
      await promotion({ maxTotalAmount: '1000' }),
      await promotion({ maxGiftCount: '100' }),
      await promotion(),
    ]
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, listener) =>
        insertAll(
          Array.from({ length: 150 }, (__, index) => gift(ids[(index + listener) % 3]!, '7')),
          createGiftResultRepository(kysely, 'VOUCHER'),
        ),
      ),
    )
    expect(await sumOf(ids[0]!)).toEqual({ gifts: 142, amount: 994 })
    expect(await sumOf(ids[1]!)).toMatchObject({ gifts: 100 })
    expect(await sumOf(ids[2]!)).toMatchObject({ gifts: 400 })
    expect(outcomes.flat().filter(outcome => wordOf(outcome) === 'over-budget')).toHaveLength(1200 - 142 - 100 - 400)
  })

  test('a ceiling that is set later counts what is there; without it everything is taken again', async () => {
    const id = await promotion()
    await insertAll(Array.from({ length: 10 }, () => gift(id, '10')))
    await sql`update campaign_promotion set max_total_amount = 115 where id = ${id}::bigint`.execute(kysely)
    expect((await insertAll([gift(id, '10'), gift(id, '10')])).map(wordOf)).toEqual(['inserted', 'over-budget'])
    await sql`update campaign_promotion set max_total_amount = 0 where id = ${id}::bigint`.execute(kysely)
    expect((await insertAll([gift(id, '10')])).map(wordOf)).toEqual(['inserted'])
  })
})

describe('how old a key may be', () => {
  const repository = () => createGiftResultRepository(kysely, 'VOUCHER')
  const HOUR_MS = 3_600_000

  test('the older of the row and its Kafka record decides', async () => {
    const id = await promotion()
    const old = gift(id, '1', { kafkaTimeMs: Date.now() - 30 * HOUR_MS })
    const young = gift(id, '1', { kafkaTimeMs: Date.now() + HOUR_MS })
    const unsaid = gift(id, '1')
    await insertAll([old, young, unsaid])
    const ages = await Promise.all([old, young, unsaid].map(({ targetId }) => repository().find(targetId)))
    expect(ages.map(row => isKeyOld(row!, 24 * HOUR_MS))).toEqual([true, false, false])
  })

  test('a gift that asks first, and all of them while that is switched on', async () => {
    const id = await promotion()
    const [asking, plain] = [gift(id, '1', { asksFirst: true }), gift(id, '1')]
    await insertAll([asking, plain])
    const askFirst = async () => {
      const rows = await Promise.all([asking, plain].map(({ targetId }) => repository().find(targetId)))
      // Asked first, young as they are.
      expect(rows.map(row => isKeyOld(row!, 24 * HOUR_MS))).toEqual([false, false])
      return rows.map(row => row?.askFirst)
    }
    expect(await askFirst()).toEqual([true, false])
    expect(await readAskFirst(kysely)).toEqual({ isOn: false, since: null })
    expect([await setAskFirst(kysely, true), await setAskFirst(kysely, true)]).toEqual([true, false])
    expect(await askFirst()).toEqual([true, true])
    expect(await readAskFirst(kysely)).toMatchObject({ isOn: true })
    expect(await setAskFirst(kysely, false)).toBe(true)
    expect(await askFirst()).toEqual([true, false])
  })
})

test('two messages skipped at one place are two rows; the same one again is none', async () => {
  const skipped = createSkippedRepository(kysely)
  const at = {
    topic: 'again',
    partition: 0,
    offset: '5',
    promotionId: '1',
    targetId: '1',
    reason: 'promotion-stopped',
  } as const
  const long = 'x'.repeat(100_000)
  for (const message of ['{"a":1}', '{"a":2}', long, '{"a":1}', long]) await skipped.insert({ ...at, message })
  const { rows } = await sql<{ message: string }>`
    select message from campaign_promotion_skipped where topic = 'again' order by length(message), message`.execute(
    kysely,
  )
  expect(rows.map(({ message }) => message)).toEqual(['{"a":1}', '{"a":2}', long])
})

test('promotions that share a summary: each is counted right, and so is the summary', async () => {
  const [one, other] = [await promotion(), await promotion()]
  const repository = createGiftResultRepository(kysely, 'VOUCHER')
  const shared = (id: string) => gift(id, '1', { promotionSummaryId: one })
  const gifts = [shared(one), shared(one), shared(one), shared(other), shared(other), gift(other, '1')]
  await insertAll(gifts)
  await Promise.all(
    gifts.map(({ targetId }, index) =>
      repository.move(
        index === 3
          ? { targetId, to: 'FAILED', errorCode: 'HTTP_422', errorMessage: '', posts: 1 }
          : { targetId, to: 'SUCCESS', moneyKey: 'm', posts: 1 },
      ),
    ),
  )
  const giftsOf = async (id: string) => (await readProgress(kysely, { id }))[0]!.gifts
  expect(await giftsOf(one)).toMatchObject({ SUCCESS: 3, FAILED: 0, PENDING: 0 })
  expect(await giftsOf(other)).toMatchObject({ SUCCESS: 2, FAILED: 1, PENDING: 0 })
  const { rows } = await sql`
    select success_count, failed_count from campaign_promotion_summary where id = ${one}::bigint`.execute(kysely)
  expect(rows).toEqual([{ success_count: '4', failed_count: '1' }])
})
