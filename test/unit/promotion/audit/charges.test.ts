import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals'
import type { AuditRow } from '#database/gifts/audit-rows.ts'
import type { LookupMeaning } from '#money/charge.ts'
import { auditCharges, type ChargeSource } from '#promotion/audit/charges.ts'
import { Discrepancies } from '#promotion/audit/discrepancies.ts'
import type { SettledCharge } from '#promotion/audit/settlement-file.ts'
import { type AuditWorld, auditDatabase, tableOf } from '#test/support/audit-rows.ts'

type Rows = AuditWorld['rows']

const folder = mkdtempSync(join(tmpdir(), 'promostream-charges-'))
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => void jest.useRealTimers())

/** Compares rows as they were read with a source of charges; `now` = what the database says when it is asked again. */
async function compare(source: ChargeSource, read: Rows, { now = read, scope = [] as string[] } = {}) {
  const { kysely, asked } = auditDatabase({ rows: now, promotions: [] })
  const discrepancies = new Discrepancies(2000)
  const progress: (string | number)[] = []
  const found = await auditCharges(source, {
    ...{ kysely, discrepancies, promotionIds: scope },
    tables: { VOUCHER: tableOf(...(read.VOUCHER ?? [])), POINT: tableOf(...(read.POINT ?? [])) },
    progress: {
      begin: (what, total) => progress.push(what, total),
      advance: count => progress.push(count),
      end: () => progress.push('end'),
    },
  })
  return { ...found, discrepancies: discrepancies.listed, asked, progress }
}

const chargeOf = (key: string, fields: Partial<SettledCharge> = {}): SettledCharge => ({
  ...{ key, transactionKey: 'tx-1', amount: '100' },
  ...fields,
})

async function settle(charges: readonly SettledCharge[], ...rest: [Rows, Parameters<typeof compare>[2]?]) {
  const path = join(folder, 'settlement.jsonl')
  await writeFile(path, charges.map(charge => `${JSON.stringify(charge)}\n`).join(''))
  return compare({ from: 'settlement', path }, ...rest)
}

const rowsOf = (count: number, fields: Partial<AuditRow> = {}): Partial<AuditRow>[] =>
  Array.from({ length: count }, (_, index) => ({ targetId: String(index + 1), ...fields }))

describe('a settlement', () => {
  test('that says what the rows say has no discrepancy; a target is one of its type', async () => {
    const rows = { VOUCHER: rowsOf(2), POINT: rowsOf(1) }
    const charges = [chargeOf('VOUCHER:1'), chargeOf('POINT:1'), chargeOf('VOUCHER:2')]
    const found = await settle(charges, rows)
    expect(found).toMatchObject({ chargedOnce: 3, unanswered: 0, discrepancies: [], asked: [] })
    expect(found.progress).toEqual(['charges', 0, 1, 1, 1, 'end'])
  })

  test('without a charge for a SUCCESS row, or with two, is named by type', async () => {
    const rows = { VOUCHER: rowsOf(2), POINT: rowsOf(1) }
    const { chargedOnce, discrepancies } = await settle([chargeOf('VOUCHER:2'), chargeOf('VOUCHER:2')], rows)
    expect(chargedOnce).toBe(0)
    expect(discrepancies).toEqual([
      expect.objectContaining({ kind: 'success-without-charge', type: 'VOUCHER', targetId: '1' }),
      expect.objectContaining({ kind: 'success-without-charge', type: 'POINT', targetId: '1' }),
      expect.objectContaining({ kind: 'double-charge', type: 'VOUCHER', targetId: '2', charges: 2 }),
    ])
  })

  test('with a charge of nothing we know says of which kind it is', async () => {
    const strangers = [chargeOf('OTHER:1', { transactionKey: 'a' }), chargeOf('POINT:9', { transactionKey: 'b' })]
    const { discrepancies, asked } = await settle(strangers, { VOUCHER: rowsOf(0) })
    expect(discrepancies).toEqual([
      { kind: 'charge-without-success', key: 'OTHER:1', transactionKey: 'a', detail: 'a key that is not ours' },
      { kind: 'charge-without-success', key: 'POINT:9', transactionKey: 'b', detail: 'there is no such row' },
    ])
    expect(asked).toEqual([1])
  })

  test.each<[string, Partial<AuditRow>, string[], boolean]>([
    [
      'of another promotion than those that are looked at',
      { promotionId: '43', processStatus: 'FAILED' },
      ['42'],
      true,
    ],
    ['that came since and is paid', {}, ['42'], true],
    ['that came since and is paid, of all promotions', {}, [], true],
    ['that came since and is not paid', { processStatus: 'PENDING' }, ['42'], false],
    ['that came since and is not paid, of all promotions', { processStatus: 'FAILED' }, [], false],
  ])('may hold the charge of a row %s', async (_name, row, scope, isRight) => {
    const now = { POINT: [{ targetId: '9', ...row }] }
    const { discrepancies } = await settle([chargeOf('POINT:9')], {}, { now, scope })
    const wrong = { kind: 'charge-without-success', key: 'POINT:9', transactionKey: 'tx-1' }
    expect(discrepancies).toEqual(isRight ? [] : [wrong])
  })

  test('of any length is looked up in pages, and no charge is left out', async () => {
    const charges = Array.from({ length: 1001 }, (_, index) => chargeOf(`VOUCHER:${index + 1}`))
    const { discrepancies, asked } = await settle(charges, {}, { now: { VOUCHER: rowsOf(1000) } })
    expect(asked).toEqual([500, 500, 1])
    expect(discrepancies.map(({ key }) => key)).toEqual(['VOUCHER:1001'])
  })
})

describe('rows that are charged and were not final when they were read', () => {
  test.each(['PENDING', 'RETRYING', 'UNKNOWN'] as const)(
    '%s: paid by now is right, anything else is not',
    async state => {
      const read = { POINT: rowsOf(3, { processStatus: state, moneyKey: null }) }
      const now = { POINT: [{ targetId: '1' }, { targetId: '2', processStatus: state }] }
      const found = await settle([chargeOf('POINT:1'), chargeOf('POINT:2'), chargeOf('POINT:3')], read, { now })
      expect(found.chargedOnce).toBe(1)
      expect(found.discrepancies).toEqual(
        ['2', '3'].map(targetId => ({
          ...{ kind: 'charge-without-success', type: 'POINT', promotionId: '42', targetId, status: state },
          key: `POINT:${targetId}`,
        })),
      )
    },
  )

  test('are looked up in pages, each of them once', async () => {
    const read = { VOUCHER: rowsOf(1001, { processStatus: 'UNKNOWN' }) }
    const charges = rowsOf(1001).map(({ targetId }) => chargeOf(`VOUCHER:${targetId}`))
    const found = await settle(charges, read, { now: { VOUCHER: rowsOf(1001) } })
    expect(found).toMatchObject({ chargedOnce: 1001, discrepancies: [], asked: [500, 500, 1] })
  })
})

describe('the Money API as the source', () => {
  function api(
    answer: (target: { type: string; targetId: string }) => LookupMeaning,
    concurrency = 3,
    perSecond = 1e6,
  ) {
    const asked: string[] = []
    const most = { atOnce: 0 }
    let underWay = 0
    const lookup = async (target: { type: string; targetId: string }) => {
      asked.push(`${target.type}:${target.targetId}`)
      most.atOnce = Math.max(most.atOnce, ++underWay)
      await new Promise(resolve => setImmediate(resolve))
      underWay -= 1
      return answer(target)
    }
    const source: ChargeSource = { from: 'api', moneyApi: { lookup }, concurrency, perSecond }
    return { source, asked, most }
  }
  const paid: LookupMeaning = { kind: 'charged', transactionKey: 'tx-1' }

  test('is asked once about each row, so many at once', async () => {
    const { source, asked, most } = api(() => paid)
    const found = await compare(source, { VOUCHER: rowsOf(8), POINT: rowsOf(2) })
    expect(found).toMatchObject({ chargedOnce: 10, unanswered: 0, discrepancies: [] })
    expect(asked.toSorted()).toEqual(
      [...rowsOf(8).map(({ targetId }) => `VOUCHER:${targetId}`), 'POINT:1', 'POINT:2'].toSorted(),
    )
    expect(most.atOnce).toBe(3)
    expect(found.progress).toEqual(['charges', 10, ...Array(10).fill(1), 'end'])
  })

  test('that answers about every row is asked about as many as there are', async () => {
    const { source, asked } = api(() => paid, 8)
    expect(await compare(source, { POINT: rowsOf(300) })).toMatchObject({ chargedOnce: 300, unanswered: 0 })
    expect(asked).toHaveLength(300)
  })

  test('tells of no charge, another charge, and another amount', async () => {
    const answers: Record<string, LookupMeaning> = {
      '1': { kind: 'no-charge' },
      '2': { kind: 'charged', transactionKey: 'tx-2' },
      '3': { ...paid, amount: '999' },
      '4': { ...paid, amount: '100' },
    }
    const { source } = api(({ targetId }) => answers[targetId]!)
    const { discrepancies, chargedOnce } = await compare(source, { VOUCHER: rowsOf(4) })
    expect(chargedOnce).toBe(3)
    expect(discrepancies.map(({ kind, targetId }) => [targetId, kind])).toEqual([
      ['1', 'success-without-charge'],
      ['2', 'money-key-differs'],
      ['3', 'charge-amount-differs'],
    ])
  })

  test('that refuses our credentials ends the comparison', async () => {
    const { source, asked } = api(() => ({ kind: 'unauthorized', code: 'HTTP_401', message: '' }), 1)
    await expect(compare(source, { VOUCHER: rowsOf(50) })).rejects.toMatchObject({ code: 'MONEY_API_UNAUTHORIZED' })
    expect(asked).toHaveLength(1)
  })

  const silent = { kind: 'unsettled', code: 'TIMEOUT', message: '' } as const

  test('that answers about no row is given up after a hundred, each asked five times', async () => {
    jest.useFakeTimers()
    const { source, asked } = api(() => silent, 10)
    const compared = expect(compare(source, { VOUCHER: rowsOf(300) })).rejects.toMatchObject({
      code: 'MONEY_UNAVAILABLE',
    })
    await jest.advanceTimersByTimeAsync(600_000)
    await compared
    expect(asked.length).toBeGreaterThanOrEqual(500)
    expect(asked.length).toBeLessThan(560)
  })

  test('that answers now and then is asked about all; rows without an answer are counted, and no discrepancy', async () => {
    jest.useFakeTimers()
    const { source } = api(({ targetId }) => (Number(targetId) % 50 === 0 ? paid : silent), 10)
    const compared = compare(source, { VOUCHER: rowsOf(150) })
    await jest.advanceTimersByTimeAsync(600_000)
    expect(await compared).toMatchObject({ unanswered: 147, chargedOnce: 3, discrepancies: [] })
  })

  test.each([
    ['is asked again half a second later, then later and later', {}, [0, 500, 1500, 3000, 5000]],
    ['is left alone for as long as it says', { retryAfterMs: 20_000 }, [0, 20_000, 40_000, 60_000, 80_000]],
  ])('that does not answer about a row %s', async (_, wait, expected) => {
    jest.useFakeTimers()
    const startedAtMs = Date.now()
    const askedAtMs: number[] = []
    const { source } = api(() => {
      askedAtMs.push(Date.now() - startedAtMs)
      return askedAtMs.length === 5 ? paid : { ...silent, ...wait }
    }, 1)
    const compared = compare(source, { VOUCHER: rowsOf(1) })
    await jest.advanceTimersByTimeAsync(600_000)
    expect(await compared).toMatchObject({ unanswered: 0, chargedOnce: 1 })
    expect(askedAtMs.map(ms => Math.round(ms / 100) * 100)).toEqual(expected)
  })

  test('is not asked faster than is said', async () => {
    const { source } = api(() => paid, 20, 25)
    const fromMs = performance.now()
    await compare(source, { VOUCHER: rowsOf(3) })
    expect(performance.now() - fromMs).toBeGreaterThan(75)
  })
})
