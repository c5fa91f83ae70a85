import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createActivityLog } from '#database/activity-log.ts'
import { lastAuditRuns, recordAuditRun } from '#database/audit-runs.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

let db: TestDatabase

beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.drop())

test('the last audit of all promotions counts, for each source of charges; that of a single one does not', async () => {
  const { kysely } = db.database
  expect(await lastAuditRuns(kysely)).toEqual([])
  const balanced = { who: 'cron@host', charges: 'settlement', ok: true, discrepancies: 0, unanswered: 0 } as const
  await recordAuditRun(kysely, { ...balanced, target: 'all' })
  await recordAuditRun(kysely, { ...balanced, target: 'all', ok: false, discrepancies: 3 })
  await recordAuditRun(kysely, { ...balanced, target: '42' })
  await recordAuditRun(kysely, { ...balanced, target: 'all', charges: 'none' })
  await createActivityLog(kysely).begin({
    who: 'otto',
    what: 'promotion.start',
    target: 'all',
    detail: { charges: 'api' },
  })
  const { who: _who, ...run } = balanced
  expect(await lastAuditRuns(kysely)).toEqual([
    { ...run, ok: false, discrepancies: 3, atSeconds: expect.any(Number) },
    { ...run, charges: 'none', atSeconds: expect.any(Number) },
  ])
})
