import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { findGift, listGifts } from '#database/gifts/gift-pages.ts'
import { listGiftsByPlace } from '#database/gifts/gift-places.ts'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { listUnknown } from '#database/gifts/unknown.ts'
import { readGiftsLeft, readProgress } from '#database/promotions/progress.ts'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { newGift } from '#test/support/gift-rows.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let results: GiftResultRepositories
let nextTarget = 0

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  results = createGiftResultRepositories(kysely)
  for (const id of ['1', '2', '3']) {
    await createPromotionRepository(kysely).create({ id, name: `p${id}`, type: 'VOUCHER', totalCount: 10 })
  }
}, 60_000)
afterAll(() => db.drop())

const insert = async (promotionId: string, count: number, memberId = '7') => {
  const targets = Array.from({ length: count }, () => String(++nextTarget))
  await Promise.all(
    targets.map(targetId =>
      results.VOUCHER.insert(newGift({ promotionId, promotionSummaryId: `${promotionId}0`, targetId, memberId })),
    ),
  )
  return targets
}
const error = (targetId: string, to: 'RETRYING' | 'FAILED' | 'UNKNOWN') =>
  results.VOUCHER.move({ targetId, to, errorCode: `E_${to}`, errorMessage: 'oops', posts: 1 })
const success = (targetId: string) => results.VOUCHER.move({ targetId, to: 'SUCCESS', moneyKey: 'tx', posts: 1 })
const progressOf = async (id: string) => (await readProgress(kysely, { id }))[0]

describe('gifts that are still to be paid from a stream', () => {
  test('are those PENDING, and those that have no row yet; never fewer than none', async () => {
    const ids = ['61', '62', '63']
    for (const [index, id] of ids.entries())
      await createPromotionRepository(kysely).create({ id, name: id, type: 'VOUCHER', totalCount: [10, 2, 0][index]! })
    for (const id of ids) {
      const [paid, again] = (await insert(id, 5)) as [string, string]
      await Promise.all([success(paid), error(again, 'RETRYING')])
    }
    // 3 PENDING of 5 rows each, of totals of 10, 2 and none.
    expect(await readGiftsLeft(kysely, ids)).toEqual(
      new Map([
        ['61', 8],
        ['62', 3],
        ['63', 3],
      ]),
    )
    expect(await readGiftsLeft(kysely, ['64'])).toEqual(new Map())
  })
})

describe('progress without counting rows', () => {
  test('agrees with a count of every row, through every move', async () => {
    const [a, b, c, d, e, f] = (await insert('1', 6)) as [string, string, string, string, string, string]
    await Promise.all([success(a), error(b, 'FAILED'), error(c, 'RETRYING'), error(d, 'UNKNOWN'), error(e, 'UNKNOWN')])
    const counted = () => createPromotionRepository(kysely).countByStatus({ id: '1', type: 'VOUCHER' })
    expect(await progressOf('1')).toMatchObject({ rows: 6, gifts: await counted() })
    await Promise.all([success(c), success(d), error(e, 'FAILED'), error(f, 'RETRYING')])
    expect((await progressOf('1'))?.gifts).toEqual({ PENDING: 0, RETRYING: 1, SUCCESS: 3, FAILED: 2, UNKNOWN: 0 })
    expect((await progressOf('1'))?.gifts).toEqual(await counted())
  })

  test('an insert that meets its own row, or is rolled back, counts nothing', async () => {
    const before = (await progressOf('2'))?.rows
    const [target] = await insert('2', 1)
    nextTarget -= 1
    await insert('2', 1)
    expect(nextTarget).toBe(Number(target))
    await kysely
      .transaction()
      .execute(async transaction => {
        await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
          partition_key, member_id, amount, message) values (2, 20, 999999, 'k', 1, 1, '{}')`.execute(transaction)
        throw new Error('rolled back')
      })
      .catch(() => undefined)
    expect((await progressOf('2'))?.rows).toBe((before ?? 0) + 1)
  })

  test('rows that are archived leave the counts; what was paid stays counted, and what is left is still PENDING', async () => {
    await createPromotionRepository(kysely).create({ id: '4', name: 'p4', type: 'VOUCHER', totalCount: 10 })
    const targets = (await insert('4', 10)) as [string, string, string, string, string, ...string[]]
    const [a, b, c, d, e, f] = targets
    await Promise.all([success(a), success(b), error(c, 'FAILED'), error(d, 'UNKNOWN'), error(e, 'RETRYING')])
    const remove = (gone: readonly (string | undefined)[]) =>
      sql`delete from campaign_promotion_voucher_result where voucher_target_id = any (${gone}::bigint[])`.execute(
        kysely,
      )
    await remove([a, c, f])
    const left = { PENDING: 4, RETRYING: 1, SUCCESS: 2, FAILED: 1, UNKNOWN: 1 }
    expect(await progressOf('4')).toMatchObject({ rows: 7, gifts: left })
    expect(
      (await listGifts(kysely, { id: '4', type: 'VOUCHER' }, { status: 'FAILED', afterId: '0', limit: 9 })).gifts,
    ).toEqual([])
    await remove(targets)
    expect(await progressOf('4')).toMatchObject({
      rows: 0,
      gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 2, FAILED: 1, UNKNOWN: 0 },
    })
    const { rows } = await sql`select 1 from campaign_promotion_exception where promotion_id = 4`.execute(kysely)
    expect(rows).toEqual([])
  })

  test('batches of several connections over the same promotions never deadlock, and all are counted', async () => {
    const others = Array.from({ length: 4 }, () => createGiftResultRepositories(kysely))
    const before = (await readProgress(kysely, 'watched')).reduce((sum, { rows }) => sum + rows, 0)
    await Promise.all(
      others.flatMap((repository, index) =>
        Array.from({ length: 300 }, (_, gift) =>
          repository.VOUCHER.insert(
            newGift({
              promotionId: String(1 + ((gift + index) % 3)),
              promotionSummaryId: '77',
              targetId: String(1_000_000 + index * 1000 + gift),
            }),
          ),
        ),
      ),
    )
    const after = (await readProgress(kysely, 'watched')).reduce((sum, { rows }) => sum + rows, 0)
    expect(after - before).toBe(1200)
  })
})

describe('pages of gifts', () => {
  const all = async (query: Partial<Parameters<typeof listGifts>[2]>) => {
    const found: string[] = []
    let pages = 0
    for (let afterId = '0'; ; ) {
      const page = await listGifts(kysely, { id: '3', type: 'VOUCHER' }, { limit: 4, ...query, afterId })
      found.push(...page.gifts.map(({ targetId }) => targetId))
      pages += 1
      if (page.nextCursor === null) return { found, pages }
      afterId = page.nextCursor
    }
  }

  test('every gift once, in order; by state, by member and by error', async () => {
    const before = (await all({})).found
    const targets = await insert('3', 10, '42')
    await error(targets[2]!, 'UNKNOWN')
    await error(targets[7]!, 'UNKNOWN')
    await success(targets[5]!)
    expect((await all({})).found).toEqual([...before, ...targets])
    expect((await all({ status: 'UNKNOWN' })).found).toEqual([targets[2], targets[7]])
    expect((await all({ status: 'UNKNOWN', errorCode: 'E_FAILED' })).found).toEqual([])
    expect((await all({ status: 'SUCCESS' })).found).toEqual([targets[5]])
    expect((await all({ memberId: '42', limit: 3 })).found).toEqual(targets)
    expect((await all({ status: 'PENDING', memberId: '42' })).found).toHaveLength(7)
  })

  test('a page that looked at its fill and found nothing leads on', async () => {
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message)
      select 3, 30, 5000000 + n, 'k', case when n = 15000 then 99 else 1 end, 1, '{}' from generate_series(1, 15000) n`.execute(
      kysely,
    )
    const { found, pages } = await all({ memberId: '99' })
    expect(found).toEqual(['5015000'])
    expect(pages).toBeGreaterThan(1)
  })

  test('a gift by its target, exactly', async () => {
    expect(await findGift(kysely, 'VOUCHER', '5015000')).toMatchObject({ memberId: '99', processStatus: 'PENDING' })
    expect(await findGift(kysely, 'VOUCHER', '404404')).toBeUndefined()
  })
  test('a page by place that begins far behind is empty: it would be read past again at every poll', async () => {
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message)
      select 6, 60, 6000000 + n, 'k', 1, 1, '{}' from generate_series(1, 50100) n`.execute(kysely)
    const page = async (offset: number) => {
      const query = { statuses: ['PENDING'], offset, limit: 10 } as const
      return (await listGiftsByPlace(kysely, { id: '6', type: 'VOUCHER' }, query)).length
    }
    expect([await page(0), await page(50_000), await page(50_001)]).toEqual([10, 10, 0])
  })

  test('the UNKNOWN gifts of a promotion by page, no other row of it is read', async () => {
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message, process_status)
      select 5, 50, 7000000 + n, 'k', 1, 1, '{}', case when n % 2000 = 0 then 'UNKNOWN' else 'SUCCESS' end
      from generate_series(1, 10000) n`.execute(kysely)
    await kysely.transaction().execute(async transaction => {
      const rowsRead = async () => {
        const { rows } = await sql<{ read: number }>`select (seq_tup_read + idx_tup_fetch)::float8 as read
          from pg_stat_xact_user_tables where relname = 'campaign_promotion_voucher_result'`.execute(transaction)
        return rows[0]?.read ?? 0
      }
      const page = (afterId: string) => listUnknown(transaction, { id: '5', type: 'VOUCHER' }, { afterId, limit: 3 })
      const before = await rowsRead()
      const first = await page('0')
      const second = await page(first.at(-1)!.id)
      expect((await rowsRead()) - before).toBeLessThan(50)
      expect([...first, ...second].map(({ targetId }) => targetId)).toEqual([
        '7002000',
        '7004000',
        '7006000',
        '7008000',
        '7010000',
      ])
    })
    expect(await listUnknown(kysely, { id: '5', type: 'POINT' }, { afterId: '0', limit: 3 })).toEqual([])
  })
})
