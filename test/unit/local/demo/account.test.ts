import { describe, expect, it } from '@jest/globals'
import { type Account, foundBy, isBalanced } from '#local/demo/account.ts'
import type { Discrepancy } from '#promotion/audit/discrepancies.ts'
import type { AuditReport } from '#promotion/audit/report.ts'

/** An account of two gifts, one of them UNKNOWN, in which the audit found these. */
function accountOf(discrepancies: Discrepancy[], more: Partial<Account> = {}): Account {
  const states = { PENDING: 0, RETRYING: 0, SUCCESS: 1, FAILED: 0, UNKNOWN: 1 }
  const double = discrepancies.filter(({ kind }) => kind === 'double-charge').length
  const report = { rows: 2, states, double, discrepancies, counts: {} } as unknown as AuditReport
  return { messages: 2, skipped: 0, invalid: 0, charges: 2, missing: 0, ...foundBy(report), ...more }
}

describe('the demo’s account', () => {
  it('balances when the audit found nothing, and when an UNKNOWN gift turns out to be charged', () => {
    expect(isBalanced(accountOf([]))).toBe(true)
    expect(isBalanced(accountOf([{ kind: 'charge-without-success', status: 'UNKNOWN' }]))).toBe(true)
  })

  it.each([
    ['charge-without-success', { disagreements: 1, duplicateCharges: 0, others: 0 }],
    ['failed-with-charge', { disagreements: 1, duplicateCharges: 0, others: 0 }],
    ['double-charge', { disagreements: 0, duplicateCharges: 1, others: 0 }],
    ['summary-counter-off', { disagreements: 0, duplicateCharges: 0, others: 1 }],
  ] as const)('does not balance with a %s', (kind, counted) => {
    const account = accountOf([{ kind, status: 'FAILED' }])
    expect(account).toMatchObject(counted)
    expect(isBalanced(account)).toBe(false)
  })

  it('does not balance while a message is missing or a gift is not final', () => {
    expect(isBalanced(accountOf([], { missing: 1 }))).toBe(false)
    const states = { PENDING: 1, RETRYING: 0, SUCCESS: 1, FAILED: 0, UNKNOWN: 0 }
    expect(isBalanced(accountOf([], { states }))).toBe(false)
  })
})
