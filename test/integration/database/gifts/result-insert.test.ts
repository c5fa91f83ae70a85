import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { insertGifts } from '#database/gifts/result-insert.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { isContentError } from '#database/sql-errors.ts'
import { createGiftRows, type GiftRows, newGift } from '#test/support/gift-rows.ts'
import { until } from '#test/support/redis.ts'
import { createTestDatabase } from '#test/support/stack-env.ts'

let rows: GiftRows
let kysely: GiftRows['kysely']
let results: GiftRows['results']
let promotions: GiftRows['promotions']
let stateOf: GiftRows['stateOf']

beforeAll(async () => {
  rows = await createGiftRows()
  ;({ kysely, results, promotions, stateOf } = rows)
})
afterAll(() => rows.drop())

describe('insert (docs/contract.md «What becomes of a gift message»)', () => {
  test.each([
    ['1', 'IN_PROGRESS', true],
    ['2', 'READY', false],
    ['3', 'PAUSED', false],
  ])('promotion %s, %s: a PENDING row; meant for the stream: %s', async (promotionId, promotionStatus, enqueued) => {
    const row = newGift({ promotionId })
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'inserted', promotionStatus, enqueued })
    expect(await stateOf(row.targetId)).toBe('PENDING')
  })

  test.each([
    ['4', 'promotion-completed'],
    ['5', 'promotion-stopped'],
    ['99', 'promotion-not-found'],
  ])('promotion %s: skipped, %s', async (promotionId, reason) => {
    const row = newGift({ promotionId })
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'skipped', reason })
    expect(await stateOf(row.targetId)).toBeUndefined()
  })

  test('a promotion of the other type: skipped', async () => {
    expect(await results.POINT.insert(newGift())).toEqual({ kind: 'skipped', reason: 'promotion-type-mismatch' })
  })

  test('the same target again is a duplicate with the same content, a conflict with any other', async () => {
    const row = newGift()
    await results.VOUCHER.insert(row)
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'duplicate' })
    for (const other of [{ amount: '101' }, { memberId: '8' }, { promotionId: '2' }]) {
      expect(await results.VOUCHER.insert({ ...row, ...other })).toEqual({ kind: 'target-conflict' })
    }
  })

  test('twice in one batch: one row, one duplicate; and a conflict is told in the same batch', async () => {
    const row = newGift()
    const outcomes = await Promise.all([row, row, { ...row, amount: '5' }].map(one => results.VOUCHER.insert(one)))
    expect(outcomes.map(({ kind }) => kind)).toEqual(['inserted', 'duplicate', 'target-conflict'])
  })

  test.each([
    ['5', 'promotion-stopped'],
    ['999', 'promotion-not-found'],
  ])(
    'one target in one batch, for promotion %s and for one that runs: %s, and the row of the other',
    async (id, reason) => {
      const row = newGift()
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
    const row = newGift({ promotionId: '20' })
    await results.VOUCHER.insert(row)
    await sql`update campaign_promotion set status = 'COMPLETED' where id = 20`.execute(kysely)
    expect(await results.VOUCHER.insert(row)).toEqual({ kind: 'duplicate' })
  })

  test('a row refused for its content fails alone, its company is saved', async () => {
    const good = [newGift(), newGift(), newGift()]
    const bad = newGift({ partitionKey: 'a\0b' })
    const settled = await Promise.allSettled(
      [good[0]!, bad, good[1]!, good[2]!].map(one => results.VOUCHER.insert(one)),
    )
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(isContentError((settled[1] as PromiseRejectedResult).reason)).toBe(true)
  })

  test('ids of 64 bits are exact', async () => {
    const row = newGift({
      targetId: '9223372036854775807',
      memberId: '9007199254740993',
      amount: '9223372036854775806',
    })
    await results.VOUCHER.insert(row)
    expect(await results.VOUCHER.find(row.targetId)).toMatchObject({ memberId: '9007199254740993', amount: row.amount })
  })

  test('a database error is no duplicate: it rejects, and is not blamed on the gift', async () => {
    const other = await createTestDatabase({ migrated: false })
    const [insert] = await Promise.allSettled([
      createGiftResultRepositories(other.database.kysely).VOUCHER.insert(newGift()),
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
      const outcomes = await insertGifts(transaction, RESULT_TABLES.VOUCHER, [newGift({ promotionId: '22' })])
      isIn.resolve()
      await isLetGo.promise
      return outcomes
    })
    await isIn.promise
    const stopped = promotions.move('22', ['READY'], 'STOPPED')
    await until('the change waits', () => waiting(1))
    const after = results.VOUCHER.insert(newGift({ promotionId: '22' }))
    await until('the insert waits behind it', () => waiting(2))
    isLetGo.resolve()
    expect(await before).toMatchObject([{ kind: 'inserted' }])
    expect((await stopped)?.changed).toBe(true)
    expect(await after).toEqual({ kind: 'skipped', reason: 'promotion-stopped' })
  })

  test('messages that name a thousand promotions that are not there take no locks for them', async () => {
    await kysely.transaction().execute(async transaction => {
      const gifts = Array.from({ length: 1000 }, (_, index) => newGift({ promotionId: String(1_000_000 + index) }))
      const outcomes = await insertGifts(transaction, RESULT_TABLES.VOUCHER, [...gifts, newGift()])
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
    const row = newGift({ promotionId: '21' })
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
