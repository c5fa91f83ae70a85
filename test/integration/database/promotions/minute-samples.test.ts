import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { createMinuteSamples } from '#admin/snapshot/minutes.ts'
import { isoTime } from '#database/iso-time.ts'
import { addMinuteSamples, readMinutePoints, thinMinuteSamples } from '#database/promotions/minute-samples.ts'
import { createLogger } from '#runtime/logger.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.drop())
beforeEach(async () => {
  await sql`delete from campaign_promotion_minute`.execute(db.database.kysely)
})

const MINUTE_MS = 60_000
const minutes = async () => {
  const { rows } = await sql<{ id: string; at: string; done: string }>`
    select promotion_id as id, ${isoTime('minute')} as at, done from campaign_promotion_minute order by promotion_id, minute`.execute(
    db.database.kysely,
  )
  return rows.map(({ id, at, done }) => [id, at, Number(done)])
}

test('the first admin process that writes a minute counts; rates are those between samples', async () => {
  const { kysely } = db.database
  const start = Date.parse('2026-11-25T10:00:00Z')
  for (const [minute, done, slotsInUse] of [
    [0, 0, 10],
    [1, 600, 10],
    [2, 600, 10],
    [4, 1800, 0],
  ] as const) {
    const sample = { promotionId: '7', done, total: 2000, slotsInUse }
    await addMinuteSamples(kysely, [sample], new Date(start + minute * MINUTE_MS))
    // Another process, a moment later.
    await addMinuteSamples(kysely, [{ ...sample, done: done + 5 }], new Date(start + minute * MINUTE_MS))
  }
  expect(await readMinutePoints(kysely, '7')).toEqual([
    { at: start / 1000 + 60, perSecond: 10, latencyMs: 1000 },
    { at: start / 1000 + 120, perSecond: 0, latencyMs: null },
    { at: start / 1000 + 240, perSecond: 10, latencyMs: null },
  ])
  expect(await readMinutePoints(kysely, '8')).toEqual([])
})

test('what is old is thinned out: each tenth minute after a day, each hour after 30 days, nothing after a year', async () => {
  const { kysely } = db.database
  const now = new Date()
  const hour = new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000).getTime()
  const HOURS = 3_600_000
  // Two hours of minutes, at four ages.
  for (const [id, hours] of Object.entries({ 1: 4, 2: 48, 3: 40 * 24, 4: 370 * 24 })) {
    await sql`insert into campaign_promotion_minute (promotion_id, minute, done, total, slots_in_use)
      select ${id}::bigint, ${new Date(hour - hours * HOURS).toISOString()}::timestamptz + n * interval '1 minute', n, 120, 1
      from generate_series(0, 119) n`.execute(kysely)
  }
  await thinMinuteSamples(kysely)
  const left = new Map<unknown, unknown[]>()
  for (const [id, at] of await minutes()) left.set(id, [...(left.get(id) ?? []), String(at).slice(14, 16)])
  expect(left.get('1')).toHaveLength(120)
  expect(left.get('2')).toEqual([...Array(2)].flatMap(() => ['00', '10', '20', '30', '40', '50']))
  expect(left.get('3')).toEqual(['00', '00'])
  expect(left.get('4')).toBeUndefined()
})

test('however long a life is, a plot has 1,200 points at most, and its last one', async () => {
  const { kysely } = db.database
  await sql`insert into campaign_promotion_minute (promotion_id, minute, done, total, slots_in_use)
    select 9, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 minute', n * 60, 600000, 2
    from generate_series(0, 9999) n`.execute(kysely)
  const points = await readMinutePoints(kysely, '9')
  expect(points.length).toBeGreaterThan(500)
  expect(points.length).toBeLessThan(1200)
  expect(points.at(-1)).toEqual({
    at: Date.parse('2026-01-01T00:00:00Z') / 1000 + 9999 * 60,
    perSecond: 1,
    latencyMs: 2000,
  })
})

test('an admin writes once a minute, what runs and no more; a minute that cannot be written is missing, no error', async () => {
  const { kysely } = db.database
  const logger = createLogger('test', 'silent')
  const samples = createMinuteSamples({ kysely, logger })
  const start = Date.parse('2026-11-25T10:00:00Z')
  const at = (seconds: number, done: number) =>
    samples.add(
      [
        { id: '1', status: 'IN_PROGRESS', done, expected: 100, slotsInUse: 3 },
        { id: '2', status: 'PAUSED', done, expected: 100, slotsInUse: 0 },
      ],
      start + seconds * 1000,
    )
  await at(0, 1)
  await at(1, 2)
  await at(59, 3)
  await at(60, 4)
  expect(await minutes()).toEqual([
    ['1', '2026-11-25T10:00:00.000Z', 1],
    ['1', '2026-11-25T10:01:00.000Z', 4],
  ])
  // PostgreSQL refuses an id that is none: the minute is missing, and the next one is written again.
  const wrong = { id: 'x', status: 'IN_PROGRESS', done: 5, expected: 100, slotsInUse: 3 } as const
  await samples.add([wrong], start + 120_000)
  await at(180, 6)
  expect((await minutes()).map(([, minute]) => String(minute).slice(14, 16))).toEqual(['00', '01', '03'])
})
