import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { AuditReport } from '#promotion/audit/report.ts'
import { runCli } from '#test/support/cli.ts'
import { type OwnPostgres, startOwnPostgres } from '#test/support/own-postgres.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const GIFTS = 1500

withKafka('PostgreSQL fails over to an older copy of its data, under load', () => {
  let postgres: OwnPostgres
  let system: TestSystem

  beforeAll(async () => {
    postgres = await startOwnPostgres()
    system = await TestSystem.create({}, postgres.url)
    await system.control({ recordRequests: true })
    await Promise.all([system.start('listener'), system.start('worker')])
  }, 120_000)
  afterAll(async () => {
    await system.stop()
    await postgres.stop()
  })

  async function audit(...args: string[]): Promise<AuditReport> {
    const { stdout, stderr } = await runCli(system.env, 'audit', '--json', ...args)
    expect(stderr).toBe('')
    return JSON.parse(stdout) as AuditReport
  }

  test('as docs/operations.md says: named, inserted again, asked about first, and each gift is paid once', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const count = () => system.countByStatus(promotionId, 'VOUCHER').catch(() => undefined)
    const [before, lost, after] = [targetsOf(GIFTS), targetsOf(GIFTS), targetsOf(GIFTS / 5)]
    await system.publishGifts(promotionId, before)
    await system.until('some are paid', async () => ((await count())?.SUCCESS ?? 0) > 100, 60_000)
    await postgres.copy(system.kysely)
    await system.publishGifts(promotionId, lost)
    const isRead = async () => (await system.lag('voucher', 'VOUCHER')) === 0
    await system.until('all are read', isRead, 60_000)
    await system.until('most are paid', async () => ((await count())?.SUCCESS ?? 0) > GIFTS * 1.6, 60_000)
    const paidBefore = (await system.charges(promotionId)).length
    await postgres.restore()
    const kept = Object.values((await system.until('it answers', count, 60_000)) ?? {}).reduce((sum, n) => sum + n, 0)
    const switchedOn = async () => (await runCli(system.env, 'ask-first', 'on')).code === 0
    await system.until('ask-first', switchedOn, 60_000)
    await system.publishGifts(promotionId, after)
    await system.until('they are read', isRead, 60_000)

    const named = (await audit(promotionId)).counts['message-without-row'] ?? 0
    expect(named).toBeGreaterThan(GIFTS / 10)
    expect((await audit(promotionId, '--repair')).repaired).toBe(named)
    const all = before.length + lost.length + after.length
    await system.until('all are paid', async () => (await count())?.SUCCESS === all, 120_000)
    const charges = await system.charges(promotionId)
    expect(charges).toHaveLength(all)
    expect(new Set(charges.map(({ key }) => key)).size).toBe(all)
    if (process.env.FAILOVER_FIGURES !== undefined)
      process.stderr.write(`${JSON.stringify({ all, paidBefore, kept, named, charges: charges.length })}\n`)
    const asked = new Set((await system.requests()).filter(({ method }) => method === 'GET').map(({ key }) => key))
    expect(lost.filter(target => asked.has(`VOUCHER:${target}`)).length).toBeGreaterThanOrEqual(named)
    expect(await audit(promotionId, '--charges', 'api')).toMatchObject({ ok: true, chargedOnce: all, double: 0 })
    expect((await runCli(system.env, 'ask-first', 'off')).code).toBe(0)
  }, 600_000)
})
