import { describe, expect, test } from '@jest/globals'
import type { AuditRow } from '#database/gifts/audit-rows.ts'
import { judgeCharges, targetOfKey } from '#promotion/audit/charge-match.ts'
import { Discrepancies } from '#promotion/audit/discrepancies.ts'
import { MARK } from '#promotion/audit/row-table.ts'
import { tableOf } from '#test/support/audit-rows.ts'

describe('judgeCharges', () => {
  const judged = (row: Partial<AuditRow>, ...charges: { transactionKey: string; amount?: string }[]) => {
    const table = tableOf(row)
    for (const charge of charges) table.noteCharge(0, charge)
    const discrepancies = new Discrepancies(10)
    const doubtful: number[] = []
    const once = judgeCharges('VOUCHER', table, discrepancies, at => doubtful.push(at))
    return { once, doubtful: doubtful.length, kinds: discrepancies.listed.map(({ kind }) => kind) }
  }
  const charge = { transactionKey: 'tx-1', amount: '100' }

  test.each([
    ['paid', {}, [charge], 1, []],
    ['paid, amount not known', {}, [{ transactionKey: 'tx-1' }], 1, []],
    ['not paid', {}, [], 0, ['success-without-charge']],
    ['paid twice', {}, [charge, charge], 0, ['double-charge']],
    [
      'another amount that hashes alike',
      { amount: '40189' },
      [{ ...charge, amount: '797186' }],
      1,
      ['charge-amount-differs'],
    ],
    ['another amount', {}, [{ ...charge, amount: '101' }], 1, ['charge-amount-differs']],
    ['another transaction', {}, [{ ...charge, transactionKey: 'tx-2' }], 1, ['money-key-differs']],
    // Of these two pairs the first, and the second, four bytes of the SHA-256 are equal.
    [
      'another transaction whose hash begins alike',
      { moneyKey: 'tx-25704' },
      [{ ...charge, transactionKey: 'tx-36915' }],
      1,
      ['money-key-differs'],
    ],
    [
      'another transaction whose hash goes on alike',
      { moneyKey: 'tx-28958' },
      [{ ...charge, transactionKey: 'tx-106699' }],
      1,
      ['money-key-differs'],
    ],
    ['SUCCESS without a key', { moneyKey: null }, [charge], 1, ['money-key-differs']],
    ['FAILED and paid', { processStatus: 'FAILED' as const, moneyKey: null }, [charge], 0, ['failed-with-charge']],
    ['FAILED', { processStatus: 'FAILED' as const }, [], 0, []],
    ['PENDING', { processStatus: 'PENDING' as const }, [], 0, []],
  ])('%s', (_name, row, charges, once, kinds) => {
    expect(judged(row, ...charges)).toEqual({ once, doubtful: 0, kinds })
  })

  test.each(['PENDING', 'RETRYING', 'UNKNOWN'] as const)('%s and paid: looked up again before it is called', state => {
    expect(judged({ processStatus: state, moneyKey: null }, charge)).toEqual({ once: 0, doubtful: 1, kinds: [] })
  })

  test('SUCCESS that the Money API did not answer for: not reported', () => {
    const table = tableOf({})
    table.mark(0, MARK.unanswered)
    const discrepancies = new Discrepancies(10)
    expect(judgeCharges('VOUCHER', table, discrepancies, () => undefined)).toBe(0)
    expect(discrepancies.listed).toEqual([])
  })

  test('keys that are not ours name no target', () => {
    expect(targetOfKey('POINT:9223372036854775807')).toEqual({ type: 'POINT', targetId: '9223372036854775807' })
    for (const key of ['POINT:', 'POINT:01', 'POINT:9223372036854775808', 'point:1', 'VOUCHER:1:2', 'OTHER:1'])
      expect(targetOfKey(key)).toBeUndefined()
  })
})

describe('Discrepancies', () => {
  test('a kind of which there is none is not among the counts', () => {
    const discrepancies = new Discrepancies(4)
    discrepancies.addUnlisted('summary-counter-off', 0)
    expect([discrepancies.counts, discrepancies.total, discrepancies.listed]).toEqual([{}, 0, []])
  })

  test('all are counted, a bounded number is listed, and every kind is among them', () => {
    const discrepancies = new Discrepancies(4)
    for (let index = 0; index < 10; index++) discrepancies.add({ kind: 'message-without-row', offset: String(index) })
    discrepancies.add({ kind: 'double-charge' })
    discrepancies.addUnlisted('summary-counter-off', 3)
    expect(discrepancies.total).toBe(14)
    expect(discrepancies.listed.map(({ kind }) => kind)).toEqual([
      ...['message-without-row', 'message-without-row', 'message-without-row'],
      'double-charge',
    ])
  })
})
