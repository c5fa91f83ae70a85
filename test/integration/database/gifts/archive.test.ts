import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { giftRecordPages, moveToArchive } from '#database/gifts/archive.ts'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { findSealedRows, readSealedRows, type SealedRow, sealedRowPages } from '#database/gifts/sealed-rows.ts'
import { readBalance } from '#database/promotions/balance.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from '#test/support/stack-env.ts'
import { targetsOf } from '#test/support/system.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let promotions: PromotionRepository
let results: GiftResultRepositories

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  promotions = createPromotionRepository(kysely)
  results = createGiftResultRepositories(kysely)
})
afterAll(() => db.drop())

const gift = (promotionId: string, targetId: string) => ({
  ...{ promotionId, promotionSummaryId: promotionId, targetId, partitionKey: 'k', memberId: '9007199254740993' },
  ...{ amount: '100', message: '{}', kafkaPartition: 0, kafkaOffset: '1', wantsEntry: false },
})

async function runningPromotion(): Promise<string> {
  const id = String(uniqueId())
  await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 0 })
  await promotions.move(id, ['READY'], 'IN_PROGRESS')
  return id
}

/** All SUCCESS, and COMPLETED. */
async function paidPromotion(targets: readonly string[]): Promise<string> {
  const id = await runningPromotion()
  for (const targetId of targets) {
    await results.VOUCHER.insert(gift(id, targetId))
    await results.VOUCHER.move({ targetId, to: 'SUCCESS', moneyKey: `tx-${targetId}`, posts: 1 })
  }
  await sql`update campaign_promotion set status = 'COMPLETED', finished_at = now() where id = ${id}::bigint`.execute(
    kysely,
  )
  return id
}

const rowsOf = async (promotionId: string) => {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from campaign_promotion_voucher_result
    where promotion_id = ${promotionId}::bigint`.execute(kysely)
  return rows[0]!.count
}

test('an archived target takes no other gift, and its own again as a duplicate', async () => {
  const targets = targetsOf(3)
  const id = await paidPromotion(targets)
  const moved: number[] = []
  await moveToArchive(kysely, { id, type: 'VOUCHER' }, count => moved.push(count))
  expect(moved.reduce((sum, count) => sum + count, 0)).toBe(3)
  expect(await rowsOf(id)).toBe(0)
  const other = await runningPromotion()
  expect(await results.VOUCHER.insert(gift(other, targets[0]!))).toEqual({ kind: 'target-conflict' })
  expect(await results.VOUCHER.insert(gift(id, targets[0]!))).toEqual({ kind: 'duplicate' })
  expect(await rowsOf(other)).toBe(0)
  expect(await promotions.countByStatus({ id, type: 'VOUCHER' })).toMatchObject({ SUCCESS: 3, PENDING: 0 })
  expect(await readBalance(kysely, { id, type: 'VOUCHER' })).toMatchObject({ rows: 3, successCount: 3 })
})

test('a seal goes on covering archived gifts: the same rows in the same order, by pages, by ranges and by target', async () => {
  const targets = targetsOf(5)
  const id = await paidPromotion(targets)
  const promotion = { id, type: 'VOUCHER' } as const
  const all = async () => {
    const rows: SealedRow[] = []
    for await (const page of sealedRowPages(kysely, promotion, 2)) rows.push(...page)
    return rows
  }
  const before = await all()
  expect(before.map(({ targetId }) => targetId)).toEqual(targets)
  await moveToArchive(kysely, promotion)
  expect(await all()).toEqual(before)
  const range = { afterId: before[0]!.id, lastId: before[3]!.id }
  expect(await readSealedRows(kysely, promotion, range)).toEqual(before.slice(1, 4))
  expect(await findSealedRows(kysely, targets[2]!)).toEqual([
    { promotionId: id, type: 'VOUCHER', rowId: before[2]!.id },
  ])
})

test('an insert that began before does not see that its target is archived: its row goes only after it', async () => {
  const [targetId] = targetsOf(1)
  const [id, other] = [await paidPromotion([targetId!]), await runningPromotion()]
  const release = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const holder = kysely.transaction().execute(async transaction => {
    await sql`update campaign_promotion set name = 'locked' where id = ${other}::bigint`.execute(transaction)
    locked.resolve()
    await release.promise
  })
  await locked.promise
  const inserting = results.VOUCHER.insert(gift(other, targetId!))
  await waiting('wait for the promotion', 1)
  const moving = moveToArchive(kysely, { id, type: 'VOUCHER' })
  const early = await Promise.race([
    moving.then(() => 'removed'),
    waiting('wait for the insert', 2).then(() => 'waits'),
  ])
  release.resolve()
  await Promise.all([holder, moving])
  expect(early).toBe('waits')
  expect(await inserting).toEqual({ kind: 'target-conflict' })
  expect(await rowsOf(other)).toBe(0)
  expect(await rowsOf(id)).toBe(0)
}, 30_000)

/** Until so many sessions of this database wait for a lock. */
async function waiting(what: string, count: number): Promise<void> {
  for (const end = Date.now() + 20_000; ; ) {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(kysely)
    if (rows[0]!.count >= count) return
    if (Date.now() > end) throw new Error(`waited 20 s for: ${what}`)
  }
}

test('an archive that was cut short is counted once, and can be done again', async () => {
  const targets = targetsOf(2)
  const id = await paidPromotion(targets)
  await sql`
    insert into campaign_promotion_archived_gift (type, target_id, gift_id, promotion_id, promotion_summary_id, member_id, amount,
      process_status, attempts)
    select 'VOUCHER', voucher_target_id, id, promotion_id, promotion_summary_id, member_id, amount, process_status, attempts
    from campaign_promotion_voucher_result where promotion_id = ${id}::bigint`.execute(kysely)
  expect(await promotions.countByStatus({ id, type: 'VOUCHER' })).toMatchObject({ SUCCESS: 2 })
  const pages: number[] = []
  for await (const page of giftRecordPages(kysely, { id, type: 'VOUCHER' })) pages.push(page.length)
  expect(pages).toEqual([2])
  await moveToArchive(kysely, { id, type: 'VOUCHER' })
  expect(await rowsOf(id)).toBe(0)
  expect(await promotions.countByStatus({ id, type: 'VOUCHER' })).toMatchObject({ SUCCESS: 2 })
})
