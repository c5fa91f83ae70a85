import { describe, expect, test } from '@jest/globals'
import { type AuditReport, describeReport } from '#promotion/audit/report.ts'

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

  const NOTHING: AuditReport = {
    ...{ ok: false, messages: null, duplicates: 0, skipped: 0, invalid: 0, expired: 0, repaired: 0 },
    states: { PENDING: 1, RETRYING: 0, SUCCESS: 4, FAILED: 2, UNKNOWN: 0 },
    ...{ rows: 7, attempts: 9, chargedOnce: null, missing: 0, double: null, unanswered: 0, counts: {} },
    ...{ discrepancies: [], truncated: false },
  }

  test('what was not looked at is said, and counts only what there is', () => {
    const charges = 'charges not looked at (--charges api asks the Money API)'
    expect(describeReport(NOTHING)).toEqual([
      `messages not looked at, 7 rows, 1 PENDING, 2 FAILED, 4 SUCCESS, ${charges}, 0 missing`,
    ])
    const seen = { ...NOTHING, duplicates: 1, skipped: 2, invalid: 3, expired: 4, repaired: 5, unanswered: 6 }
    const messages = '4 rows older than what Kafka keeps, 1 duplicates, 2 skipped, 3 invalid, 5 put back'
    expect(describeReport(seen)).toEqual([
      `messages not looked at, 7 rows, ${messages}, 1 PENDING, 2 FAILED, 4 SUCCESS, ${charges}, 0 missing, 6 not answered for by the Money API`,
    ])
  })

  test('those of a kind that are all listed stand under it, with their detail', () => {
    const kind = 'message-without-row'
    const discrepancies = [
      { kind, offset: '5', detail: 'why' } as const,
      { kind: 'double-charge', targetId: '1' } as const,
    ]
    const lines = describeReport({ ...NOTHING, counts: { [kind]: 1 }, discrepancies })
    expect(lines.slice(0, -1)).toEqual([
      'message-without-row: 1 Kafka messages without a row, nor skipped, nor invalid',
      '  offset 5  (why)',
    ])
  })
})
