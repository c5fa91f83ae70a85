import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { type CanaryGift, createCanaryRepository } from '#database/promotions/canary.ts'
import { createErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'

const LIMITS = { gifts: 6, atOnce: 3 }
let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
})
afterAll(() => db.drop())

async function running() {
  const promotionId = String(uniqueId())
  await promotions.create({ id: promotionId, name: '', type: 'VOUCHER', totalCount: 0 })
  await promotions.start(promotionId, 0)
  const canary = createCanaryRepository(kysely)
  const gift = (target: number): CanaryGift => ({ type: 'VOUCHER', promotionId, targetId: `${promotionId}${target}` })
  const take = async (target: number, limits = LIMITS) => {
    const known = await canary.lookUp(gift(target))
    return known === 'wait' && (await canary.take(gift(target), limits)) ? 'mine' : known
  }
  return { promotionId, canary, gift, take }
}

test('of many at once as few get a turn as may have one; the same gift has its turn again', async () => {
  const { take } = await running()
  const turns = await Promise.all(Array.from({ length: 20 }, (_, target) => take(target % 10)))
  expect(turns.filter(turn => turn === 'mine').length).toBeGreaterThanOrEqual(LIMITS.atOnce)
  const mine = await Promise.all(Array.from({ length: 10 }, (_, target) => take(target)))
  expect(mine.filter(turn => turn === 'mine')).toHaveLength(LIMITS.atOnce)
  expect(mine.filter(turn => turn === 'passed')).toHaveLength(0)
})

test('confirmed ones make room until all are; then everybody passes, whatever the setting is by then', async () => {
  const { promotionId, canary, gift, take } = await running()
  for (let target = 0; target < LIMITS.gifts; target++) {
    expect(await take(target)).toBe('mine')
    await canary.confirm(gift(target))
    await canary.confirm(gift(target))
  }
  expect(await promotions.find(promotionId)).toMatchObject({ canaryGifts: 6, canaryConfirmed: 6 })
  expect(await take(99)).toBe('passed')
  expect(await take(98, { gifts: 1000, atOnce: 3 })).toBe('passed')
})

test('a paused promotion gives no turns; a mismatch frees its own, and comes again after the resume', async () => {
  const { promotionId, canary, gift, take } = await running()
  for (const target of [1, 2, 3]) expect(await take(target)).toBe('mine')
  await createErrorBudgetRepository(kysely).pause(promotionId, 'canary: it differs')
  await canary.mismatch(gift(1))
  expect(await take(4)).toBe('wait')
  await promotions.move(promotionId, ['PAUSED'], 'IN_PROGRESS')
  expect(await take(1)).toBe('mine')
  expect(await take(4)).toBe('wait')
  expect((await promotions.find(promotionId))?.canaryConfirmed).toBe(0)
})

test('what the check of UNKNOWN gifts has settled meanwhile is confirmed, and makes room', async () => {
  const { promotionId, gift, take } = await running()
  for (const target of [1, 2, 3]) await take(target)
  await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id, partition_key,
      member_id, amount, message, process_status, money_key)
    values (${promotionId}::bigint, 1, ${gift(2).targetId}::bigint, 'k', 1, 1, '{}', 'SUCCESS', 'tx')`.execute(kysely)
  expect(await take(4)).toBe('wait')
  expect(await take(4)).toBe('mine')
  expect((await promotions.find(promotionId))?.canaryConfirmed).toBe(1)
})
