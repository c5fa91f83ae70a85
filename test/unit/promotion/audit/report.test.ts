import { describe, expect, test } from '@jest/globals'
import { describeReport } from '#promotion/audit/report.ts'

describe('describeReport', () => {
  test('a balanced one is one line', () => {
    const states = { PENDING: 0, RETRYING: 0, SUCCESS: 5, FAILED: 0, UNKNOWN: 0 }
    const zero = {
      duplicates: 0,
      skipped: 0,
      invalid: 0,
      expired: 0,
      repaired: 0,
      unanswered: 0,
      missing: 0,
      double: 0,
      attempts: 5,
    }
    const report = {
      ok: true,
      messages: 5,
      rows: 5,
      states,
      chargedOnce: 5,
      counts: {},
      discrepancies: [],
      truncated: false,
      ...zero,
    }
    expect(describeReport(report)).toEqual(['5 messages, 5 rows, 5 charged once, 0 missing, 0 double'])
    const worse = {
      ...report,
      counts: { 'double-charge': 2 },
      double: 2,
      discrepancies: [{ kind: 'double-charge' as const, targetId: '1', charges: 2 }],
    }
    expect(describeReport(worse)).toEqual([
      'double-charge: 2 targets that were charged more than once',
      '  targetId 1  charges 2',
      '  … and 1 more (--limit)',
      '5 messages, 5 rows, 5 charged once, 0 missing, 2 double',
    ])
  })
})
