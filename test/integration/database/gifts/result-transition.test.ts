import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createGiftRows, type GiftRows, newGift } from '#test/support/gift-rows.ts'

let rows: GiftRows
let kysely: GiftRows['kysely']
let results: GiftRows['results']
let stateOf: GiftRows['stateOf']

beforeAll(async () => {
  rows = await createGiftRows()
  ;({ kysely, results, stateOf } = rows)
})
afterAll(() => rows.drop())

const summaryOf = async (id: string) => {
  const { rows } = await sql<{ success_count: string; failed_count: string }>`
    select success_count, failed_count from campaign_promotion_summary where id = ${id}::bigint`.execute(kysely)
  return rows[0]
}

describe('move', () => {
  const success = (targetId: string, moneyKey = 'tx-1') => ({ targetId, to: 'SUCCESS', moneyKey, posts: 1 }) as const
  const error = (targetId: string, to: 'RETRYING' | 'FAILED' | 'UNKNOWN') =>
    ({ targetId, to, errorCode: 'HTTP_500', errorMessage: 'oops', posts: 1 }) as const

  async function pending(summary: string) {
    const row = newGift({ promotionSummaryId: summary })
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
    const gifts = Array.from({ length: 500 }, () => newGift({ promotionSummaryId: '105', message }))
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
    const row = newGift({ promotionSummaryId: '4711' })
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
