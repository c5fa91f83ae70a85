import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import { auditRowPages, findWrongSummaries } from '#database/gifts/audit-rows.ts'
import { listGifts } from '#database/gifts/gift-pages.ts'
import { listGiftsByPlace } from '#database/gifts/gift-places.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import { takeUnqueuedRows } from '#database/gifts/refill-rows.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { listLeftRows } from '#database/gifts/sweep-rows.ts'
import { listUnknown } from '#database/gifts/unknown.ts'
import { mayBeComplete } from '#database/promotions/completion.ts'
import { createPromotionRepository, type Promotion } from '#database/promotions/promotions.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

/** `ROWS_READ_ROWS=2000000` is the size that the promise speaks of; the plans are the same. */
const ROWS = Number(process.env.ROWS_READ_ROWS ?? 400_000)
const PAGE = 500

/**
 * The promotion that is looked at has the last rows, every other row lies before them. With half of all rows the
 * planner believes that it soon meets one on any way; with few it does not.
 */
const CASES = [
  { type: 'VOUCHER', table: 'voucher', id: '2', share: 0.05 },
  { type: 'POINT', table: 'point', id: '4', share: 0.5 },
] as const

let db: TestDatabase
let kysely: Kysely<unknown>

beforeAll(
  async () => {
    db = await createTestDatabase({ timeoutMs: 600_000 })
    kysely = db.database.kysely
    const promotions = createPromotionRepository(kysely)
    for (const { type, table, id, share } of CASES) {
      for (const each of [String(Number(id) - 1), id]) {
        await promotions.create({ id: each, name: '', type, totalCount: 0 })
        await promotions.move(each, ['READY'], 'IN_PROGRESS')
      }
      for (let from = 0; from < ROWS; from += 50_000)
        await insertRows(table, BigInt(id), { from, to: from + 50_000, ownFrom: ROWS * (1 - share) })
    }
    await sql`
    insert into campaign_promotion_archived_gift (type, target_id, gift_id, promotion_id, promotion_summary_id, member_id, amount,
      process_status, attempts)
    select 'VOUCHER', ${ROWS}::bigint + n, n, 9 + n % 2, 1, n, 1, 'SUCCESS', 1
    from generate_series(1, ${ROWS}::bigint / 2) n`.execute(kysely)
    await sql`vacuum (analyze)`.execute(kysely)
  },
  300_000 * Math.max(1, ROWS / 400_000),
)

/** Of 32 rows one is FAILED, UNKNOWN and RETRYING each; a fifth never had an entry. */
async function insertRows(table: string, id: bigint, { from, to, ownFrom }: Record<'from' | 'to' | 'ownFrom', number>) {
  await sql`
    insert into ${sql.table(`campaign_promotion_${table}_result`)} (promotion_id, promotion_summary_id,
      ${sql.ref(`${table}_target_id`)}, partition_key, member_id, amount, message, process_status, enqueued, created_at,
      updated_at)
    select id, id, n, 'k', n, 1, '{}', case n % 32 when 1 then 'FAILED' when 2 then 'UNKNOWN' when 3 then 'RETRYING'
        else case when n % 2 = 0 then 'PENDING' else 'SUCCESS' end end,
      n % 5 <> 0, now() - interval '1 hour', now() - interval '1 hour'
    from generate_series(${from + 1}::bigint, ${to}::bigint) n,
      lateral (select ${id}::bigint - (n <= ${ownFrom})::int as id) of`.execute(kysely)
}
afterAll(() => db.drop())

/** Rows and index entries that `work` reads, dead ones included, as PostgreSQL's own statistics count them. */
async function rowsRead(work: (kysely: Kysely<unknown>) => Promise<unknown>): Promise<number> {
  return kysely.connection().execute(async connection => {
    const total = async () => {
      await sql`select pg_stat_force_next_flush()`.execute(connection)
      const { rows } = await sql<{ read: number }>`
        select ((select sum(seq_tup_read) from pg_stat_user_tables where relname like 'campaign%')
          + (select sum(idx_tup_read) from pg_stat_user_indexes where relname like 'campaign%'))::float8 as read`.execute(
        connection,
      )
      return rows[0]!.read
    }
    const before = await total()
    await work(connection)
    return (await total()) - before
  })
}

async function expectFewRead(work: (kysely: Kysely<unknown>) => Promise<number>): Promise<void> {
  let returned = 0
  const read = await rowsRead(async connection => {
    returned = await work(connection)
  })
  expect(returned).toBeGreaterThan(0)
  // What was returned was read: less means that nothing was counted.
  expect(read).toBeGreaterThanOrEqual(returned)
  expect(read / returned).toBeLessThanOrEqual(3)
}

const take = (connection: Kysely<unknown>, promotion: Pick<Promotion, 'id' | 'type'>, afterId = '0') =>
  takeUnqueuedRows(
    connection,
    promotion,
    afterId,
    async () => PAGE,
    async rows => rows.length,
  )

test('a reading that walks is counted', async () => {
  const read = await rowsRead(connection =>
    sql`select count(*) from campaign_promotion_voucher_result where amount = 2`.execute(connection),
  )
  expect(read).toBeGreaterThanOrEqual(ROWS)
})

describe.each(CASES)('no query walks through other promotions’ rows ($type, $share of all)', ({ id, type, share }) => {
  const promotion = { id, type }
  let lastId = '0'

  test('refill, the first batch and the next', async () => {
    for (let batch = 0; batch < 2; batch++)
      await expectFewRead(async connection => {
        const taken = await take(connection, promotion, lastId)
        if (taken.kind === 'taken') lastId = taken.lastId
        return taken.kind === 'taken' ? taken.rows : 0
      })
  })

  test('refill beside a transaction that stays open: its own leavings are not walked through again', async () => {
    await kysely.connection().execute(async forgotten => {
      await sql`begin isolation level repeatable read`.execute(forgotten)
      try {
        await sql`select 1 from campaign_promotion`.execute(forgotten)
        for (let batch = 0; batch < 5; batch++)
          await expectFewRead(async connection => {
            const taken = await take(connection, promotion, lastId)
            if (taken.kind === 'taken') lastId = taken.lastId
            return taken.kind === 'taken' ? taken.rows : 0
          })
      } finally {
        // Left open, it would go to the next test, which would read nothing that is counted.
        await sql`rollback`.execute(forgotten)
      }
    })
  })

  test.each<ProcessStatus | undefined>([undefined, 'PENDING', 'SUCCESS', 'FAILED', 'UNKNOWN', 'RETRYING'])(
    'a page of gifts, %s',
    async status => {
      // Every third is PENDING or SUCCESS at least: a page of one state looks past the others.
      const page = { status, afterId: '0', limit: 50 }
      if (status === 'PENDING' || status === 'SUCCESS') {
        expect(await rowsRead(connection => listGifts(connection, promotion, page))).toBeLessThanOrEqual(50 * 7)
      } else await expectFewRead(async connection => (await listGifts(connection, promotion, page)).gifts.length)
    },
  )

  test.each<ProcessStatus[][]>([[['PENDING']], [['SUCCESS']], [['FAILED']], [['FAILED', 'UNKNOWN']], [['RETRYING']]])(
    'a page of the board, %s, however often it was asked for',
    async statuses => {
      const page = { statuses, offset: 0, limit: 50 }
      // From the sixth time on a prepared statement may have a plan for any parameters.
      for (let look = 0; look < 7; look++)
        await expectFewRead(async connection => (await listGiftsByPlace(connection, promotion, page)).length)
    },
  )

  test.each<'PENDING' | 'RETRYING'>(['PENDING', 'RETRYING'])('orphaned rows, %s', async status => {
    const page = { status, ageMs: 0, afterId: '0', limit: PAGE }
    await expectFewRead(async connection => (await listLeftRows(connection, promotion, page)).length)
  })

  test('an insert of new gifts looks up each target among those that are archived', async () => {
    const results = createGiftResultRepositories(kysely)[type]
    const first = BigInt(ROWS) * (type === 'VOUCHER' ? 10n : 20n)
    const gift = (index: number) => ({
      ...{ promotionId: id, promotionSummaryId: id, targetId: String(first + BigInt(index)), partitionKey: 'k' },
      ...{ memberId: '1', amount: '1', message: '{}', kafkaPartition: 0, kafkaOffset: '1', wantsEntry: false },
    })
    const before = await rowsRead(async () => undefined)
    const read = await rowsRead(async () => {
      const outcomes = await Promise.all(Array.from({ length: 100 }, (_, index) => results.insert(gift(index))))
      expect(outcomes.every(({ kind }) => kind === 'inserted')).toBe(true)
      await sql`select pg_stat_force_next_flush()`.execute(kysely)
    })
    expect(read - before).toBeLessThanOrEqual(3 * 100)
  })

  test('UNKNOWN gifts', async () => {
    await expectFewRead(
      async connection => (await listUnknown(connection, promotion, { afterId: '0', limit: PAGE })).length,
    )
  })

  test('the first page of an audit of one promotion', async () => {
    await expectFewRead(async connection => {
      for await (const page of auditRowPages(connection, type, { promotionId: id, ageMs: 0, size: PAGE }))
        return page.length
      return 0
    })
  })

  test('whether a promotion may be complete: a handful of rows while one waits', async () => {
    const read = await rowsRead(connection =>
      mayBeComplete(connection, { ...promotion, totalCount: 1 } as Promotion, 0),
    )
    expect(read).toBeLessThanOrEqual(100)
  })

  test('summaries of a promotion: its own rows', async () => {
    await sql`
      insert into campaign_promotion_summary (id, promotion_id, success_count, failed_count)
      select promotion_summary_id, min(promotion_id), count(*) filter (where process_status = 'SUCCESS'),
        count(*) filter (where process_status = 'FAILED')
      from ${sql.table(RESULT_TABLES[type].name)} group by promotion_summary_id`.execute(kysely)
    const read = await rowsRead(async connection => {
      expect((await findWrongSummaries(connection, [id], 10)).count).toBe(0)
    })
    // With half of the rows it may as well read all.
    if (share < 0.5) expect(read).toBeLessThanOrEqual(ROWS * share * 1.5 + 1000)
  })
})
