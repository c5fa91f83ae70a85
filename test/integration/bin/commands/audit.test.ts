import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { sql } from 'kysely'
import type { AuditReport } from '#promotion/audit/report.ts'
import { AuditRig, expectDiscrepancies } from '#test/support/audit-rig.ts'
import { runCli } from '#test/support/cli.ts'
import { createTopic, deleteTopic } from '#test/support/kafka-topics.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, type TestSystem } from '#test/support/system.ts'

// Each test runs the command several times, on a machine that may be busy.
jest.setTimeout(120_000)

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('promostream audit', () => {
  let rig: AuditRig
  let system: TestSystem
  let folder: string
  let { settlement, gifts, pay } = {} as AuditRig

  beforeAll(async () => {
    rig = await AuditRig.create()
    ;({ system, folder, settlement, gifts, pay } = rig)
  }, 60_000)
  afterAll(() => rig.stop())

  async function audit(...args: string[]): Promise<{ code: number | null; stderr: string; report: AuditReport }> {
    const { code, stdout, stderr } = await runCli(system.env, 'audit', '--json', ...args)
    return { code, stderr, report: stdout === '' ? (undefined as never) : (JSON.parse(stdout) as AuditReport) }
  }

  test('what is paid balances: by settlement, by the Money API, and without charges', async () => {
    const planted = await pay(await gifts(5))
    const { promotionId } = planted
    const numbers = { ok: true, messages: 5, rows: 5, missing: 0, discrepancies: [], truncated: false }
    const bySettlement = await audit(promotionId, '--settlement', await settlement(promotionId))
    expect(bySettlement.report).toMatchObject({ ...numbers, chargedOnce: 5, double: 0 })
    expect(bySettlement.code).toBe(0)
    expect((await audit(promotionId, '--charges', 'api')).report).toMatchObject({
      ...numbers,
      chargedOnce: 5,
      double: 0,
    })
    expect((await audit(promotionId)).report).toMatchObject({ ...numbers, chargedOnce: null, double: null })
  })

  test('duplicates, skipped and invalid messages are accounted for', async () => {
    const { promotionId, targets } = await gifts(3)
    const again = giftJson('VOUCHER', { promotionId, promotionSummaryId: promotionId, targetId: targets[0] })
    const conflict = giftJson('VOUCHER', { promotionId, targetId: targets[0], amount: '999' })
    await system.publish('VOUCHER', [again, conflict, '{"promotionId":'])
    await system.until('both invalid', async () => (await system.records('INVALID')).length === 2)
    await sql`update campaign_promotion set status = 'STOPPED' where id = ${promotionId}::bigint`.execute(system.kysely)
    const late = giftJson('VOUCHER', { promotionId, targetId: String(BigInt(targets[0]!) + 9n) })
    await system.publish('VOUCHER', [late])
    await system.until('lag 0', async () => (await system.lag('voucher', 'VOUCHER')) === 0)
    const { code, report } = await audit()
    expect(report).toMatchObject({ ok: true, duplicates: 1, skipped: 1, invalid: 2 })
    expect(report.messages).toBe(report.rows + 4)
    expect(code).toBe(0)
  })

  slowTest('a promotion that does not exist is an error; the same id twice is one id', async () => {
    const { promotionId } = await gifts(3)
    const unknown = String(uniqueId())
    const { code, stderr } = await audit(promotionId, unknown)
    expect([code, stderr]).toEqual([1, `promostream: promotion ${unknown} does not exist\n`])
    const twice = await audit(promotionId, promotionId)
    expect(twice.report).toMatchObject({ ok: true, messages: 3, rows: 3, discrepancies: [] })
  })

  slowTest('gifts on the invalid topic count for the promotion that they name', async () => {
    const { promotionId } = await gifts(2)
    const target = String(uniqueId() * 10_000n)
    const wrong = giftJson('VOUCHER', { promotionId, targetId: target, amount: '0' })
    await system.publish('VOUCHER', [wrong, '{"promotionId":'])
    await system.until('lag 0', async () => (await system.lag('voucher', 'VOUCHER')) === 0)
    expect((await audit(promotionId)).report).toMatchObject({ ok: true, messages: 3, rows: 2, invalid: 1 })
  })

  slowTest('a row that was lost is named, and put back by --repair, to be asked about first', async () => {
    const { promotionId, targets } = await gifts(4)
    const lost = targets.slice(1, 3)
    await sql`delete from campaign_promotion_voucher_result where voucher_target_id = any (${lost}::bigint[])`.execute(
      system.kysely,
    )
    const found = await audit(promotionId)
    expectDiscrepancies(
      found.report,
      lost.map(targetId => ({
        kind: 'message-without-row',
        targetId,
        detail: expect.stringContaining('--repair') as never,
      })),
    )
    expect(found.code).toBe(3)
    const repaired = await audit(promotionId, '--repair')
    expect([repaired.code, repaired.report]).toEqual([0, expect.objectContaining({ ok: true, repaired: 2 })])
    const { rows } = await sql<{ asks: boolean; timed: boolean }>`
      select bool_and(ask_first) as asks, bool_and(kafka_time < now()) as timed from campaign_promotion_voucher_result
      where voucher_target_id = any (${lost}::bigint[])`.execute(system.kysely)
    expect(rows).toEqual([{ asks: true, timed: true }])
    expect((await audit(promotionId)).report).toMatchObject({ ok: true, messages: 4, rows: 4, repaired: 0 })
    expect((await audit('--repair', '--no-kafka')).code).toBe(2)
  })

  slowTest('what it cannot do is one line and an exit code', async () => {
    expect(await audit('--settlement', join(folder, 'none.csv'))).toMatchObject({ code: 1 })
    const file = join(folder, 'bad.csv')
    await writeFile(file, 'key,transactionKey,amount\nVOUCHER:1,tx,12\nVOUCHER:2,tx,-5\n')
    const bad = await audit('--no-kafka', '--no-redis', '--settlement', file)
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringMatching(/bad\.csv, line 3: amount must be an integer/) })
    expect(await audit('nonsense')).toMatchObject({ code: 2 })
  })

  slowTest('with a wrong token it stops', async () => {
    const { promotionId } = await pay(await gifts(1))
    const right = system.env.MONEY_API_TOKEN as string
    system.env.MONEY_API_TOKEN = 'wrong'
    const { code, stderr } = await audit(promotionId, '--charges', 'api')
    system.env.MONEY_API_TOKEN = right
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/refuses our credentials/) })
  })

  slowTest('an invalid topic that was trimmed proves nothing against a message; one that is whole does', async () => {
    const { promotionId } = await gifts(2)
    const before = (await system.records('INVALID')).length
    await system.publish('VOUCHER', [JSON.stringify({ promotionId, targetId: 'none' })])
    await system.until('it is invalid', async () => (await system.records('INVALID')).length === before + 1)
    const invalidTopic = system.topic('INVALID')
    await deleteTopic(system.kafka, invalidTopic)
    await createTopic(system.kafka, invalidTopic)
    const whole = await audit(promotionId)
    expectDiscrepancies(whole.report, [{ kind: 'message-without-row', promotionId }])
    expect(whole).toMatchObject({ code: 3, report: { messages: 3, rows: 2, missing: 1 } })
    await system.publish('INVALID', ['{}'])
    const admin = system.kafka.admin()
    await admin.connect()
    // kafkajs finds the leader of a topic that it was asked about.
    await admin.fetchTopicOffsets(invalidTopic)
    await admin.deleteTopicRecords({ topic: invalidTopic, partitions: [{ partition: 0, offset: '1' }] })
    await admin.disconnect()
    const trimmed = await audit(promotionId)
    expect(trimmed).toMatchObject({ code: 0, report: { ok: true, messages: 3, rows: 2, invalid: 1 } })
  })

  test('the throw-away groups are gone', async () => {
    const admin = system.kafka.admin()
    await admin.connect()
    const { groups } = await admin.listGroups()
    await admin.disconnect()
    expect(groups.filter(({ groupId }) => groupId.startsWith('promostream-reader-'))).toEqual([])
  })
})
