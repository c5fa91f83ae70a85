import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Discrepancy } from '#promotion/audit/discrepancies.ts'
import type { AuditReport } from '#promotion/audit/report.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

// Each test runs the command several times, on a machine that may be busy.
jest.setTimeout(120_000)

const withKafka = kafkaMissing === undefined ? describe : describe.skip

interface Planted {
  promotionId: string
  targets: string[]
}

withKafka('promostream audit: each of ten inconsistencies is planted, found and named', () => {
  let system: TestSystem
  const folder = mkdtempSync(join(tmpdir(), 'promostream-audit-'))

  beforeAll(async () => {
    system = await TestSystem.create()
    await system.start('listener')
  })
  afterAll(async () => {
    await system.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function audit(...args: string[]): Promise<{ code: number | null; stderr: string; report: AuditReport }> {
    const child = spawn(process.execPath, ['src/bin/cli.ts', 'audit', '--json', ...args], {
      env: system.env as NodeJS.ProcessEnv,
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    return { code, stderr, report: stdout === '' ? (undefined as never) : (JSON.parse(stdout) as AuditReport) }
  }
  /** The simulator's ledger as the settlement that the Money API would deliver. */
  async function settlement(promotionId: string): Promise<string> {
    const file = join(folder, `${promotionId}.jsonl`)
    await writeFile(file, (await system.charges(promotionId)).map(charge => `${JSON.stringify(charge)}\n`).join(''))
    return file
  }
  const post = async (planted: Planted, targetId: string, amount = '100') => {
    const body = { type: 'VOUCHER', promotionId: planted.promotionId, targetId, memberId: '7', amount }
    const response = await fetch(`${system.moneyUrl}/v1/campaign-charges`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-token', 'idempotency-key': `VOUCHER:${targetId}` },
      body: JSON.stringify(body),
    })
    return ((await response.json()) as { transactionKey: string }).transactionKey
  }
  /** Gifts as rows without entries, each with its message: nobody pays them but the test. */
  async function gifts(count: number, type: PromotionType = 'VOUCHER'): Promise<Planted> {
    const promotionId = await system.promotion(type, 'READY', count)
    const first = uniqueId() * 10_000n
    const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
    const promotionSummaryId = promotionId
    await system.publish(
      type,
      targets.map(targetId => giftJson(type, { promotionId, promotionSummaryId, targetId })),
    )
    await system.until('rows', async () => (await system.countByStatus(promotionId, type)).PENDING === count)
    return { promotionId, targets }
  }
  const succeed = (targetId: string, moneyKey: string) =>
    system.results.VOUCHER.move({ targetId, to: 'SUCCESS', moneyKey, posts: 1 })
  const moveTo = (to: 'RETRYING' | 'FAILED' | 'UNKNOWN', targetId: string) =>
    system.results.VOUCHER.move({ targetId, to, errorCode: 'x', errorMessage: '', posts: 1 })
  /** Pays them as a worker would. */
  async function pay(planted: Planted, targets = planted.targets): Promise<Planted> {
    for (const target of targets) await succeed(target, await post(planted, target))
    return planted
  }
  const expectDiscrepancies = (
    { code, report }: Awaited<ReturnType<typeof audit>>,
    discrepancies: Partial<Discrepancy>[],
  ) => {
    expect(report.discrepancies).toEqual(discrepancies.map(discrepancy => expect.objectContaining(discrepancy)))
    expect({ code, ok: report.ok }).toEqual({ code: 3, ok: false })
  }
  const run = sql.raw

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

  test('a promotion that does not exist is an error; the same id twice is one id', async () => {
    const { promotionId } = await gifts(3)
    const unknown = String(uniqueId())
    const { code, stderr } = await audit(promotionId, unknown)
    expect([code, stderr]).toEqual([1, `promostream: promotion ${unknown} does not exist\n`])
    const twice = await audit(promotionId, promotionId)
    expect(twice.report).toMatchObject({ ok: true, messages: 3, rows: 3, discrepancies: [] })
  })

  test('gifts on the invalid topic count for the promotion that they name', async () => {
    const { promotionId } = await gifts(2)
    const target = String(uniqueId() * 10_000n)
    const wrong = giftJson('VOUCHER', { promotionId, targetId: target, amount: '0' })
    await system.publish('VOUCHER', [wrong, '{"promotionId":'])
    await system.until('lag 0', async () => (await system.lag('voucher', 'VOUCHER')) === 0)
    expect((await audit(promotionId)).report).toMatchObject({ ok: true, messages: 3, rows: 2, invalid: 1 })
  })

  test('a row that was lost is named, and put back by --repair, to be asked about first', async () => {
    const { promotionId, targets } = await gifts(4)
    const lost = targets.slice(1, 3)
    await sql`delete from campaign_promotion_voucher_result where voucher_target_id = any (${lost}::bigint[])`.execute(
      system.kysely,
    )
    const found = await audit(promotionId)
    expectDiscrepancies(
      found,
      lost.map(targetId => ({
        kind: 'message-without-row',
        targetId,
        detail: expect.stringContaining('--repair') as never,
      })),
    )
    const repaired = await audit(promotionId, '--repair')
    expect([repaired.code, repaired.report]).toEqual([0, expect.objectContaining({ ok: true, repaired: 2 })])
    const { rows } = await sql<{ asks: boolean; timed: boolean }>`
      select bool_and(ask_first) as asks, bool_and(kafka_time < now()) as timed from campaign_promotion_voucher_result
      where voucher_target_id = any (${lost}::bigint[])`.execute(system.kysely)
    expect(rows).toEqual([{ asks: true, timed: true }])
    expect((await audit(promotionId)).report).toMatchObject({ ok: true, messages: 4, rows: 4, repaired: 0 })
    expect((await audit('--repair', '--no-kafka')).code).toBe(2)
  })

  test('1: a Kafka message without a row', async () => {
    const { promotionId, targets } = await gifts(3)
    await sql`delete from campaign_promotion_voucher_result where voucher_target_id = ${targets[1]}::bigint`.execute(
      system.kysely,
    )
    const found = await audit(promotionId)
    expectDiscrepancies(found, [{ kind: 'message-without-row', promotionId, targetId: targets[1]! }])
    expect(found.report).toMatchObject({ messages: 3, rows: 2, missing: 1 })
    expect(found.report.discrepancies[0]).toMatchObject({ partition: expect.any(Number), offset: expect.any(String) })
  })

  test('2: a row without a message: behind the end, at the place of another, or from nowhere', async () => {
    const { promotionId, targets } = await gifts(2)
    const strangers = [5n, 6n, 7n].map(distance => String(BigInt(targets[0]!) + distance))
    const places = ['0, 123456789', `r.kafka_partition, r.kafka_offset`, 'null, null']
    for (const [index, place] of places.entries())
      await run(`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, kafka_partition, kafka_offset)
        select promotion_id, promotion_summary_id, ${strangers[index]}, 'k', 7, 100, '{}', ${place}
        from campaign_promotion_voucher_result r where voucher_target_id = ${targets[0]}`).execute(system.kysely)
    const expected = strangers.map(targetId => ({ kind: 'row-without-message' as const, promotionId, targetId }))
    expectDiscrepancies(await audit(promotionId), expected)
  })

  test('3: a SUCCESS without a charge', async () => {
    const { promotionId, targets } = await pay(await gifts(3))
    const unpaid = await gifts(1)
    await succeed(unpaid.targets[0]!, 'tx-made-up')
    const discrepancy = { kind: 'success-without-charge', targetId: unpaid.targets[0]!, status: 'SUCCESS' } as const
    const file = await settlement(promotionId)
    expectDiscrepancies(await audit(promotionId, unpaid.promotionId, '--settlement', file), [discrepancy])
    const byApi = await audit(promotionId, unpaid.promotionId, '--charges', 'api')
    expectDiscrepancies(byApi, [discrepancy])
    expect(byApi.report).toMatchObject({ chargedOnce: targets.length, missing: 1 })
  })

  test('4: a charge without SUCCESS: of a row in another state, and of no row at all', async () => {
    const planted = await gifts(3)
    const { promotionId, targets } = planted
    await moveTo('UNKNOWN', targets[1]!)
    const stranger = String(BigInt(targets[0]!) + 77n)
    for (const target of [targets[0]!, targets[1]!, stranger]) await post(planted, target)
    const pending = { kind: 'charge-without-success', targetId: targets[0]!, status: 'PENDING' } as const
    const unknown = { kind: 'charge-without-success', targetId: targets[1]!, status: 'UNKNOWN' } as const
    const bySettlement = await audit(promotionId, '--settlement', await settlement(promotionId))
    expectDiscrepancies(bySettlement, [
      { kind: 'charge-without-success', key: `VOUCHER:${stranger}`, detail: 'there is no such row' },
      pending,
      unknown,
    ])
    // The Money API can only be asked for keys that are known here.
    expectDiscrepancies(await audit(promotionId, '--charges', 'api'), [pending, unknown])
  })

  test('5: two charges for one target', async () => {
    const planted = await pay(await gifts(3))
    await system.control({ dedup: false })
    await post(planted, planted.targets[2]!)
    await system.control({ dedup: true })
    const { promotionId, targets } = planted
    const found = await audit(promotionId, '--settlement', await settlement(promotionId))
    expectDiscrepancies(found, [{ kind: 'double-charge', targetId: targets[2]!, charges: 2 }])
    expect(found.report).toMatchObject({ chargedOnce: 2, double: 1 })
  })

  test('6: a charge of another amount', async () => {
    const planted = await gifts(2)
    const { promotionId, targets } = planted
    await pay(planted, [targets[0]!])
    await succeed(targets[1]!, await post(planted, targets[1]!, '101'))
    const found = await audit(promotionId, '--settlement', await settlement(promotionId))
    expectDiscrepancies(found, [{ kind: 'charge-amount-differs', targetId: targets[1]! }])
  })

  test('7: a FAILED with a charge, and a SUCCESS with another transaction key (docs/contract.md «A gift»)', async () => {
    const planted = await gifts(2)
    const { promotionId, targets } = planted
    await moveTo('FAILED', targets[0]!)
    await post(planted, targets[0]!)
    await post(planted, targets[1]!)
    await succeed(targets[1]!, 'tx-of-another')
    for (const source of [
      ['--charges', 'api'],
      ['--settlement', await settlement(promotionId)],
    ])
      expectDiscrepancies(await audit(promotionId, ...source), [
        { kind: 'money-key-differs', targetId: targets[1]! },
        { kind: 'failed-with-charge', targetId: targets[0]!, status: 'FAILED' },
      ])
  })

  test('8: an orphaned PENDING row; one with an entry or young enough is not', async () => {
    const { promotionId, targets } = await gifts(3)
    const results = 'campaign_promotion_voucher_result'
    await run(`update campaign_promotion set status = 'IN_PROGRESS' where id = ${promotionId}`).execute(system.kysely)
    await run(`update ${results} set enqueued = true, created_at = now() - interval '1 hour',
      updated_at = now() - interval '1 hour' where promotion_id = ${promotionId}`).execute(system.kysely)
    await run(`update ${results} set updated_at = now() + interval '1 minute'
      where voucher_target_id = ${targets[2]}`).execute(system.kysely)
    const message = giftJson('VOUCHER', { promotionId, targetId: targets[1] })
    await system.redis.xadd(`campaign-promotion-${promotionId}:voucher:stream`, '*', 'key', 'k', 'message', message)
    expectDiscrepancies(await audit(promotionId), [
      { kind: 'pending-without-entry', promotionId, targetId: targets[0]! },
    ])
    await run(`update campaign_promotion set status = 'STOPPED' where id = ${promotionId}`).execute(system.kysely)
    expect((await audit(promotionId)).code).toBe(0)
  })

  test('9: a RETRYING row without a job; one with a live job is not', async () => {
    const { promotionId, targets } = await gifts(2)
    for (const target of targets) await moveTo('RETRYING', target)
    const message = giftJson('VOUCHER', {
      promotionId,
      targetId: targets[1],
      attempt: 1,
      notBefore: Date.now() + 600_000,
    })
    await system.publish('VOUCHER_RETRY', [message])
    await system.until('lag 0', async () => (await system.lag('voucher-retry', 'VOUCHER_RETRY')) === 0)
    expectDiscrepancies(await audit(promotionId), [
      { kind: 'retrying-without-job', promotionId, targetId: targets[0]! },
    ])
  })

  test('10: summary counters that are off', async () => {
    const { promotionId } = await pay(await gifts(2))
    await run(`update campaign_promotion_summary set success_count = 3 where id = ${promotionId}`).execute(
      system.kysely,
    )
    const detail = 'counters 3 SUCCESS, 0 FAILED; rows 2 SUCCESS, 0 FAILED'
    expectDiscrepancies(await audit(promotionId), [{ kind: 'summary-counter-off', summaryId: promotionId, detail }])
  })

  test('a row that says something else than its message', async () => {
    const { promotionId, targets } = await gifts(2)
    await run(
      `update campaign_promotion_voucher_result set amount = 99 where voucher_target_id = ${targets[0]}`,
    ).execute(system.kysely)
    expectDiscrepancies(await audit(promotionId), [{ kind: 'row-differs-from-message', targetId: targets[0]! }])
  })

  test('all of them at once: everything is counted, what is listed is bounded, and no kind hides another', async () => {
    const { code, report } = await audit('--limit', '6')
    expect(code).toBe(3)
    expect(report.discrepancies).toHaveLength(6)
    expect(report.truncated).toBe(true)
    expect(new Set(report.discrepancies.map(({ kind }) => kind)).size).toBe(5)
    expect(report.counts).toEqual({
      'message-without-row': 1,
      'row-without-message': 3,
      'row-differs-from-message': 1,
      'retrying-without-job': 1,
      'summary-counter-off': 1,
    })
  })

  test('what it cannot do is one line and an exit code', async () => {
    expect(await audit('--settlement', join(folder, 'none.csv'))).toMatchObject({ code: 1 })
    const file = join(folder, 'bad.csv')
    await writeFile(file, 'key,transactionKey,amount\nVOUCHER:1,tx,12\nVOUCHER:2,tx,-5\n')
    const bad = await audit('--no-kafka', '--no-redis', '--settlement', file)
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringMatching(/bad\.csv, line 3: amount must be an integer/) })
    expect(await audit('nonsense')).toMatchObject({ code: 2 })
  })

  test('with a wrong token it stops', async () => {
    const { promotionId } = await pay(await gifts(1))
    const right = system.env.MONEY_API_TOKEN as string
    system.env.MONEY_API_TOKEN = 'wrong'
    const { code, stderr } = await audit(promotionId, '--charges', 'api')
    system.env.MONEY_API_TOKEN = right
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/refuses our credentials/) })
  })

  test('the throw-away groups are gone', async () => {
    const admin = system.kafka.admin()
    await admin.connect()
    const { groups } = await admin.listGroups()
    await admin.disconnect()
    expect(groups.filter(({ groupId }) => groupId.startsWith('promostream-reader-'))).toEqual([])
  })
})
