import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import type { NewGift } from '#database/gifts/gift.ts'
import { insertGifts } from '#database/gifts/result-insert.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { isContentError } from '#database/sql-errors.ts'
import { until } from '#test/support/redis.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

let db: TestDatabase
let kysely: Kysely<unknown>
let results: GiftResultRepositories
let promotions: PromotionRepository
let nextTarget = 1n

beforeAll(async () => {
  db = await createTestDatabase()
  kysely = db.database.kysely
  results = createGiftResultRepositories(kysely)
  promotions = createPromotionRepository(kysely)
  for (const [id, status] of Object.entries({
    1: 'IN_PROGRESS',
    2: 'READY',
    3: 'PAUSED',
    4: 'COMPLETED',
    5: 'STOPPED',
  })) {
    await promotions.create({ id, name: '', type: 'VOUCHER', totalCount: 0 })
    await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(kysely)
  }
})
afterAll(() => db.drop())

function gift(overrides: Partial<NewGift> = {}): NewGift {
  nextTarget += 1n
  return {
    promotionId: '1',
    promotionSummaryId: '10',
    targetId: String(nextTarget),
    partitionKey: 'k',
    memberId: '7',
    amount: '100',
    message: '{}',
    kafkaPartition: 0,
    kafkaOffset: '1',
    wantsEntry: true,
    ...overrides,
  }
}

const stateOf = async (targetId: string) => (await results.VOUCHER.find(targetId))?.processStatus
const summaryOf = async (id: string) => {
  const { rows } = await sql<{ success_count: string; failed_count: string }>`
    select success_count, failed_count from campaign_promotion_summary where id = ${id}::bigint`.execute(kysely)
  return rows[0]
}

describe('insert (docs/contract.md «What becomes of a gift message»)', () => {
  test.each([
    ['1', 'IN_PROGRESS', true],
    ['2', 'READY', false],
    ['3', 'PAUSED', false],
  ])('promotion %s, %s: a PENDING row; meant for the stream: %s', async (promotionId, promotionStatus, enqueued) => {
    const row = gift({ promotionId })
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'inserted', promotionStatus, enqueued })
    expect(await stateOf(row.targetId)).toBe('PENDING')
  })

  test.each([
    ['4', 'promotion-completed'],
    ['5', 'promotion-stopped'],
    ['99', 'promotion-not-found'],
  ])('promotion %s: skipped, %s', async (promotionId, reason) => {
    const row = gift({ promotionId })
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'skipped', reason })
    expect(await stateOf(row.targetId)).toBeUndefined()
  })

  test('a promotion of the other type: skipped', async () => {
    expect(await results.POINT.insert(gift())).toEqual({ kind: 'skipped', reason: 'promotion-type-mismatch' })
  })

  test('the same target again is a duplicate with the same content, a conflict with any other', async () => {
    const row = gift()
    await results.VOUCHER.insert(row)
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'duplicate' })
    for (const other of [{ amount: '101' }, { memberId: '8' }, { promotionId: '2' }]) {
      expect(await results.VOUCHER.insert({ ...row, ...other })).toEqual({ kind: 'target-conflict' })
    }
  })

  test('twice in one batch: one row, one duplicate; and a conflict is told in the same batch', async () => {
    const row = gift()
    const outcomes = await Promise.all([row, row, { ...row, amount: '5' }].map(one => results.VOUCHER.insert(one)))
    expect(outcomes.map(({ kind }) => kind)).toEqual(['inserted', 'duplicate', 'target-conflict'])
  })

  test.each([
    ['5', 'promotion-stopped'],
    ['999', 'promotion-not-found'],
  ])(
    'one target in one batch, for promotion %s and for one that runs: %s, and the row of the other',
    async (id, reason) => {
      const row = gift()
      const outcomes = await Promise.all([{ ...row, promotionId: id }, row].map(one => results.VOUCHER.insert(one)))
      expect(outcomes).toMatchObject([
        { kind: 'skipped', reason },
        { kind: 'inserted', enqueued: true },
      ])
      expect((await results.VOUCHER.find(row.targetId))?.promotionId).toBe('1')
    },
  )

  test('a message delivered again after its promotion ended is a duplicate still', async () => {
    await promotions.create({ id: '20', name: '', type: 'VOUCHER', totalCount: 0 })
    const row = gift({ promotionId: '20' })
    await results.VOUCHER.insert(row)
    await sql`update campaign_promotion set status = 'COMPLETED' where id = 20`.execute(kysely)
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'duplicate' })
  })

  test('a row refused for its content fails alone, its company is saved', async () => {
    const good = [gift(), gift(), gift()]
    const bad = gift({ partitionKey: 'a\0b' })
    const settled = await Promise.allSettled(
      [good[0]!, bad, good[1]!, good[2]!].map(one => results.VOUCHER.insert(one)),
    )
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(isContentError((settled[1] as PromiseRejectedResult).reason)).toBe(true)
  })

  test('ids of 64 bits are exact', async () => {
    const row = gift({ targetId: '9223372036854775807', memberId: '9007199254740993', amount: '9223372036854775806' })
    await results.VOUCHER.insert(row)
    expect(await results.VOUCHER.find(row.targetId)).toMatchObject({ memberId: '9007199254740993', amount: row.amount })
  })

  test('a database error is no duplicate: it rejects, and is not blamed on the gift', async () => {
    const other = await createTestDatabase({ migrated: false })
    const [insert] = await Promise.allSettled([
      createGiftResultRepositories(other.database.kysely).VOUCHER.insert(gift()),
    ])
    expect(insert).toMatchObject({ status: 'rejected', reason: { code: '42P01' } })
    expect(isContentError((insert as PromiseRejectedResult).reason)).toBe(false)
    await other.drop()
  })

  test('a change of the promotion is not overtaken: inserts that come after it wait for it', async () => {
    await promotions.create({ id: '22', name: '', type: 'VOUCHER', totalCount: 0 })
    const waiting = async (count: number) => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(kysely)
      return rows[0]?.count === count
    }
    const isLetGo = Promise.withResolvers<void>()
    const isIn = Promise.withResolvers<void>()
    const before = kysely.transaction().execute(async transaction => {
      const outcomes = await insertGifts(transaction, RESULT_TABLES.VOUCHER, [gift({ promotionId: '22' })])
      isIn.resolve()
      await isLetGo.promise
      return outcomes
    })
    await isIn.promise
    const stopped = promotions.move('22', ['READY'], 'STOPPED')
    await until('the change waits', () => waiting(1))
    const after = results.VOUCHER.insert(gift({ promotionId: '22' }))
    await until('the insert waits behind it', () => waiting(2))
    isLetGo.resolve()
    expect(await before).toMatchObject([{ kind: 'inserted' }])
    expect((await stopped)?.changed).toBe(true)
    expect(await after).toEqual({ kind: 'skipped', reason: 'promotion-stopped' })
  })

  test('messages that name a thousand promotions that are not there take no locks for them', async () => {
    await kysely.transaction().execute(async transaction => {
      const gifts = Array.from({ length: 1000 }, (_, index) => gift({ promotionId: String(1_000_000 + index) }))
      const outcomes = await insertGifts(transaction, RESULT_TABLES.VOUCHER, [...gifts, gift()])
      expect(outcomes.filter(({ kind }) => kind === 'skipped')).toHaveLength(1000)
      const { rows } = await sql<{ locks: number }>`
        select count(*)::int as locks from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`.execute(
        transaction,
      )
      expect(rows).toEqual([{ locks: 1 }])
    })
  })

  test('an insert and a completion exclude each other', async () => {
    await promotions.create({ id: '21', name: '', type: 'VOUCHER', totalCount: 0 })
    const row = gift({ promotionId: '21' })
    let inserting: ReturnType<typeof results.VOUCHER.insert> | undefined
    await kysely.transaction().execute(async transaction => {
      await sql`update campaign_promotion set status = 'COMPLETED' where id = 21`.execute(transaction)
      inserting = results.VOUCHER.insert(row)
      const waiting = sql<{ waits: boolean }>`
        select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waits`
      while ((await waiting.execute(kysely)).rows[0]?.waits !== true);
    })
    expect(await inserting).toEqual({ kind: 'skipped', reason: 'promotion-completed' })
  })
})

describe('move', () => {
  const success = (targetId: string, moneyKey = 'tx-1') => ({ targetId, to: 'SUCCESS', moneyKey, posts: 1 }) as const
  const error = (targetId: string, to: 'RETRYING' | 'FAILED' | 'UNKNOWN') =>
    ({ targetId, to, errorCode: 'HTTP_500', errorMessage: 'oops', posts: 1 }) as const

  async function pending(summary: string) {
    const row = gift({ promotionSummaryId: summary })
    await results.VOUCHER.insert(row)
    return row.targetId
  }

  test('SUCCESS holds the key, counts the POST, and moves its summary once; a missing summary row is made', async () => {
    const targetId = await pending('101')
    expect(await results.VOUCHER.move(success(targetId))).toMatchObject({ changed: true })
    expect(await results.VOUCHER.move(success(targetId))).toMatchObject({ changed: false })
    expect(await results.VOUCHER.find(targetId)).toMatchObject({
      processStatus: 'SUCCESS',
      moneyKey: 'tx-1',
      attempts: 1,
    })
    expect(await summaryOf('101')).toEqual({ success_count: '1', failed_count: '0' })
  })

  test.each(['SUCCESS', 'FAILED'] as const)('nothing leaves %s', async final => {
    const targetId = await pending('102')
    await results.VOUCHER.move(final === 'SUCCESS' ? success(targetId) : error(targetId, 'FAILED'))
    const before = await summaryOf('102')
    for (const to of ['RETRYING', 'FAILED', 'UNKNOWN'] as const) {
      expect(await results.VOUCHER.move(error(targetId, to))).toMatchObject({ changed: false })
    }
    const late = await results.VOUCHER.move(success(targetId, 'tx-2'))
    expect(late).toMatchObject({ changed: false, previous: { processStatus: final } })
    expect(await stateOf(targetId)).toBe(final)
    expect(await summaryOf('102')).toEqual(before)
  })

  test('a 200 overwrites RETRYING and UNKNOWN; UNKNOWN is not put back by an error', async () => {
    const targetId = await pending('103')
    await results.VOUCHER.move(error(targetId, 'RETRYING'))
    await results.VOUCHER.move(error(targetId, 'UNKNOWN'))
    expect(await results.VOUCHER.move(error(targetId, 'RETRYING'))).toMatchObject({ changed: false })
    expect(await results.VOUCHER.move(success(targetId))).toMatchObject({ changed: true })
    expect(await results.VOUCHER.find(targetId)).toMatchObject({ processStatus: 'SUCCESS', attempts: 3 })
  })

  test('the same row twice in one batch moves twice, in order', async () => {
    const targetId = await pending('104')
    const moves = await Promise.all([
      results.VOUCHER.move(error(targetId, 'RETRYING')),
      results.VOUCHER.move(success(targetId)),
    ])
    expect(moves.map(({ changed }) => changed)).toEqual([true, true])
    expect(await stateOf(targetId)).toBe('SUCCESS')
  })

  test('a row that is not there is told', async () => {
    expect(await results.VOUCHER.move(success('404404404'))).toEqual({ changed: false })
  })

  test('batches over the same rows in opposite orders never deadlock', async () => {
    const targets = await Promise.all(Array.from({ length: 200 }, (_, index) => pending(String(200 + (index % 3)))))
    const other = createGiftResultRepositories(kysely)
    const moves = targets.flatMap((targetId, index) => [
      results.VOUCHER.move(success(targetId)),
      other.VOUCHER.move(success(targets[targets.length - 1 - index]!)),
    ])
    const changed = (await Promise.all(moves)).filter(outcome => outcome.changed)
    expect(changed).toHaveLength(200)
    const counts = await Promise.all(['200', '201', '202'].map(summaryOf))
    expect(counts.reduce((sum, count) => sum + Number(count?.success_count), 0)).toBe(200)
  })

  test('status updates are heap-only (HOT): no index mentions what they change, and their pages have room for all', async () => {
    const message = JSON.stringify({
      promotionId: '9007199254740993',
      partitionKey: 'member-123456',
      more: 'x'.repeat(90),
    })
    const gifts = Array.from({ length: 500 }, () => gift({ promotionSummaryId: '105', message }))
    await Promise.all(gifts.map(one => results.VOUCHER.insert(one)))
    const read = async () => {
      await sql`select pg_stat_force_next_flush()`.execute(kysely)
      const { rows } = await sql<{ all: number; hot: number }>`
        select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables
        where relname = 'campaign_promotion_voucher_result'`.execute(kysely)
      return rows[0]!
    }
    const before = await read()
    const moneyKey = '3b241101-e2bb-4255-8caf-4136c566a962'
    await Promise.all(gifts.map(({ targetId }) => results.VOUCHER.move(success(targetId, moneyKey))))
    let after = await read()
    while (after.all - before.all < 500) after = await read()
    expect(after.hot - before.hot).toBeGreaterThanOrEqual(495)
  })
})

test('UNKNOWN becomes FAILED when the Money API has refused after all, and counts in the summary once', async () => {
  const { targetId } = await (async () => {
    const row = gift({ promotionSummaryId: '4711' })
    await results.VOUCHER.insert(row)
    return row
  })()
  const error = { errorCode: 'HTTP_422', errorMessage: '', posts: 1 } as const
  expect(await results.VOUCHER.move({ targetId, to: 'UNKNOWN', ...error })).toMatchObject({ changed: true })
  expect(await results.VOUCHER.move({ targetId, to: 'FAILED', ...error })).toMatchObject({ changed: true })
  expect(await results.VOUCHER.move({ targetId, to: 'FAILED', ...error })).toMatchObject({ changed: false })
  expect(await stateOf(targetId)).toBe('FAILED')
  expect(await summaryOf('4711')).toMatchObject({ success_count: '0', failed_count: '1' })
})
