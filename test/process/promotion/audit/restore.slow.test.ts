import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { AuditReport } from '#promotion/audit/report.ts'
import { runCli } from '#test/support/cli.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const GIFTS = 3000
/** All that PostgreSQL knows. */
const TABLES = [
  'campaign_promotion',
  'campaign_promotion_summary',
  'campaign_promotion_summary_share',
  'campaign_promotion_voucher_result',
  'campaign_promotion_skipped',
  'campaign_promotion_tally',
  'campaign_promotion_exception',
  'campaign_promotion_unknown_check',
  'campaign_promotion_spent',
]

withKafka('a PostgreSQL that lost what it had committed', () => {
  let system: TestSystem

  beforeEach(async () => {
    system = await TestSystem.create()
    await system.control({ recordRequests: true })
  })
  afterEach(() => system.stop())

  /** Everything at one moment, as a replica had it. */
  async function copy(): Promise<void> {
    await system.kysely
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async transaction => {
        for (const table of TABLES)
          await sql`create table ${sql.table(`copy_${table}`)} as select * from ${sql.table(table)}`.execute(
            transaction,
          )
      })
  }

  /** The copy takes the place of what there is; no trigger counts it again. */
  async function restore(): Promise<void> {
    await system.kysely.transaction().execute(async transaction => {
      await sql`set local session_replication_role = 'replica'`.execute(transaction)
      await sql`set local statement_timeout = 0`.execute(transaction)
      for (const table of TABLES) {
        await sql`delete from ${sql.table(table)}`.execute(transaction)
        await sql`insert into ${sql.table(table)} select * from ${sql.table(`copy_${table}`)}`.execute(transaction)
      }
    })
  }

  async function audit(...args: string[]): Promise<AuditReport> {
    const { stdout } = await runCli(system.env, 'audit', '--json', ...args)
    return JSON.parse(stdout) as AuditReport
  }

  test('audit names what is missing and --repair puts it back: each gift is paid once', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const count = () => system.countByStatus(promotionId, 'VOUCHER')
    const first = [await system.start('listener'), await system.start('worker')]
    const targets = targetsOf(GIFTS)
    await system.publishGifts(promotionId, targets.slice(0, GIFTS / 2))
    await system.until('some are paid', async () => (await count()).SUCCESS > 100)
    await copy()
    await system.publishGifts(promotionId, targets.slice(GIFTS / 2))
    // Offsets are committed, gifts are paid, entries are gone: and then the rows are as they were.
    await system.until('lag 0', async () => (await system.lag('voucher', 'VOUCHER')) === 0, 40_000)
    await system.until('all but some are paid', async () => (await count()).SUCCESS > GIFTS * 0.8, 40_000)
    await Promise.all(first.map(child => child.stop()))
    await restore()
    const before = await count()
    const rows = Object.values(before).reduce((sum, each) => sum + each, 0)
    expect(rows).toBeLessThan(GIFTS)

    const named = await audit(promotionId)
    expect(named).toMatchObject({ ok: false, counts: { 'message-without-row': GIFTS - rows } })
    await Promise.all([system.start('listener'), system.start('worker')])
    const repaired = await audit(promotionId, '--repair')
    expect(repaired.repaired).toBe(GIFTS - rows)
    await system.until('all are paid', async () => (await count()).SUCCESS === GIFTS, 60_000)
    const charges = await system.charges(promotionId)
    expect(new Set(charges.map(({ key }) => key)).size).toBe(GIFTS)
    expect(charges).toHaveLength(GIFTS)
    const asked = new Set((await system.requests()).filter(({ method }) => method === 'GET').map(({ key }) => key))
    expect(asked.size).toBeGreaterThanOrEqual(GIFTS - rows)
    expect(await audit(promotionId, '--charges', 'api')).toMatchObject({ ok: true, chargedOnce: GIFTS, double: 0 })
  }, 180_000)
})
