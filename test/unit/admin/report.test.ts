import { expect, test } from '@jest/globals'
import type { PageContext } from '#admin/pages/layout.ts'
import { reportPage } from '#admin/pages/report.page.ts'
import { type ClosingReport, reportCsv } from '#admin/report/closing-report.ts'
import { TEXTS } from '#admin/texts/texts.ts'

const sum = (count: number, amount: string) => ({ count, amount })
const report = (name: string): ClosingReport => ({
  madeAt: '2026-11-25T12:00:00.000Z',
  promotion: {
    ...{ id: '9223372036854775807', name, type: 'VOUCHER', status: 'COMPLETED', totalCount: 3 },
    ...{ startedAt: '2026-11-25T11:00:00.000Z', finishedAt: '2026-11-25T12:00:00.000Z', deadlineAt: null },
  },
  durationSeconds: 3600,
  averagePerSecond: 0.1,
  rows: 2,
  difference: -1,
  gifts: {
    ...{ PENDING: sum(0, '0'), RETRYING: sum(0, '0'), SUCCESS: sum(1, '9007199254740993') },
    ...{ FAILED: sum(1, '7'), UNKNOWN: sum(0, '0') },
  },
  skipped: { 'promotion-completed': 4 },
  audit: { ok: false, counts: { 'double-charge': 1 }, incomplete: null },
  seal: { sealedAt: '2026-11-25T12:00:01.000Z', gifts: '2', root: 'ab', key: 'sha256:cd' },
})

test('the report as CSV: exact amounts, a line a figure', () => {
  const lines = reportCsv(report('Autumn')).split('\r\n')
  expect(lines).toEqual(
    expect.arrayContaining([
      'name,value',
      'promotion.id,9223372036854775807',
      'difference,-1',
      'gifts.SUCCESS.amount,9007199254740993',
      'skipped.promotion-completed,4',
      'audit.ok,false',
      'audit.double-charge,1',
      'seal.root,ab',
      'seal.key,sha256:cd',
    ]),
  )
})

test.each([
  ['=HYPERLINK("http://evil.example")', `promotion.name,"'=HYPERLINK(""http://evil.example"")"`],
  ['+1', `promotion.name,'+1`],
  ['a, "b"\nc', `promotion.name,"a, ""b""\nc"`],
])('a name is text in a spreadsheet, whatever it is: %j', (name, line) => {
  expect(reportCsv(report(name))).toContain(line)
})

test('a seal stands on the page and in the CSV, where there is one', () => {
  const job = (seal: ClosingReport['seal']) => ({
    ...({ state: 'done', startedAt: '2026-11-25T12:00:00.000Z', step: 'audit', progress: 1, error: null } as const),
    report: { ...report('Autumn'), seal },
  })
  const context = { texts: TEXTS.en, identity: undefined, path: '/', stale: [] } as unknown as PageContext
  const page = (seal: ClosingReport['seal']) => reportPage({ id: '1', title: 'Autumn', job: job(seal) }, context)
  expect(page(report('').seal)).toContain('sha256:cd')
  expect(page(null)).not.toContain('seal-title')
  expect(reportCsv({ ...report(''), seal: null })).not.toContain('seal.')
})
