import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { AuditRig, expectDiscrepancies } from '#test/support/audit-rig.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, type TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('the audit: each of ten inconsistencies is planted, found and named', () => {
  let rig: AuditRig
  let system: TestSystem
  let { audit, settlement, post, gifts, succeed, moveTo, pay, run } = {} as AuditRig

  beforeAll(async () => {
    rig = await AuditRig.create()
    ;({ system, audit, settlement, post, gifts, succeed, moveTo, pay, run } = rig)
  }, 60_000)
  afterAll(() => rig.stop())

  test('1: a Kafka message without a row', async () => {
    const { promotionId, targets } = await gifts(3)
    await sql`delete from campaign_promotion_voucher_result where voucher_target_id = ${targets[1]}::bigint`.execute(
      system.kysely,
    )
    const found = await audit([promotionId])
    expectDiscrepancies(found, [{ kind: 'message-without-row', promotionId, targetId: targets[1]! }])
    expect(found).toMatchObject({ messages: 3, rows: 2, missing: 1, states: { PENDING: 2, SUCCESS: 0 } })
    expect(found.discrepancies[0]).toMatchObject({ partition: expect.any(Number), offset: expect.any(String) })
  })

  test('2: a row without a message: behind the end, at the place of another, or from nowhere', async () => {
    const { promotionId, targets } = await gifts(2)
    const strangers = [5n, 6n, 7n].map(distance => String(BigInt(targets[0]!) + distance))
    const places = ['0, 123456789', `r.kafka_partition, r.kafka_offset`, 'null, null']
    for (const [index, place] of places.entries())
      await run(`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, kafka_partition, kafka_offset)
        select promotion_id, promotion_summary_id, ${strangers[index]}, 'k', 7, 100, '{}', ${place}
        from campaign_promotion_voucher_result r where voucher_target_id = ${targets[0]}`)
    const expected = strangers.map(targetId => ({ kind: 'row-without-message' as const, promotionId, targetId }))
    expectDiscrepancies(await audit([promotionId]), expected)
  })

  test('3: a SUCCESS without a charge', async () => {
    const { promotionId, targets } = await pay(await gifts(3))
    const unpaid = await gifts(1)
    await succeed(unpaid.targets[0]!, 'tx-made-up')
    const discrepancy = { kind: 'success-without-charge', targetId: unpaid.targets[0]!, status: 'SUCCESS' } as const
    const file = await settlement(promotionId)
    expectDiscrepancies(await audit([promotionId, unpaid.promotionId], { settlement: file }), [discrepancy])
    const byApi = await audit([promotionId, unpaid.promotionId], { charges: 'api' })
    expectDiscrepancies(byApi, [discrepancy])
    expect(byApi).toMatchObject({ chargedOnce: targets.length, missing: 1 })
  })

  test('4: a charge without SUCCESS: of a row in another state, and of no row at all', async () => {
    const planted = await gifts(3)
    const { promotionId, targets } = planted
    await moveTo('UNKNOWN', targets[1]!)
    const stranger = String(BigInt(targets[0]!) + 77n)
    for (const target of [targets[0]!, targets[1]!, stranger]) await post(planted, target)
    const pending = { kind: 'charge-without-success', targetId: targets[0]!, status: 'PENDING' } as const
    const unknown = { kind: 'charge-without-success', targetId: targets[1]!, status: 'UNKNOWN' } as const
    const bySettlement = await audit([promotionId], { settlement: await settlement(promotionId) })
    expectDiscrepancies(bySettlement, [
      { kind: 'charge-without-success', key: `VOUCHER:${stranger}`, detail: 'there is no such row' },
      pending,
      unknown,
    ])
    // The Money API can only be asked for keys that are known here.
    expectDiscrepancies(await audit([promotionId], { charges: 'api' }), [pending, unknown])
  })

  test('5: two charges for one target', async () => {
    const planted = await pay(await gifts(3))
    await system.control({ dedup: false })
    await post(planted, planted.targets[2]!)
    await system.control({ dedup: true })
    const { promotionId, targets } = planted
    const found = await audit([promotionId], { settlement: await settlement(promotionId) })
    expectDiscrepancies(found, [{ kind: 'double-charge', targetId: targets[2]!, charges: 2 }])
    expect(found).toMatchObject({ chargedOnce: 2, double: 1 })
  })

  test('6: a charge of another amount', async () => {
    const planted = await gifts(2)
    const { promotionId, targets } = planted
    await pay(planted, [targets[0]!])
    await succeed(targets[1]!, await post(planted, targets[1]!, '101'))
    const found = await audit([promotionId], { settlement: await settlement(promotionId) })
    expectDiscrepancies(found, [{ kind: 'charge-amount-differs', targetId: targets[1]! }])
  })

  test('7: a FAILED with a charge, and a SUCCESS with another transaction key (docs/contract.md «A gift»)', async () => {
    const planted = await gifts(2)
    const { promotionId, targets } = planted
    await moveTo('FAILED', targets[0]!)
    await post(planted, targets[0]!)
    await post(planted, targets[1]!)
    await succeed(targets[1]!, 'tx-of-another')
    for (const source of [{ charges: 'api' as const }, { settlement: await settlement(promotionId) }])
      expectDiscrepancies(await audit([promotionId], source), [
        { kind: 'money-key-differs', targetId: targets[1]! },
        { kind: 'failed-with-charge', targetId: targets[0]!, status: 'FAILED' },
      ])
  })

  test('8: an orphaned PENDING row; one with an entry or young enough is not', async () => {
    const { promotionId, targets } = await gifts(3)
    const results = 'campaign_promotion_voucher_result'
    await run(`update campaign_promotion set status = 'IN_PROGRESS' where id = ${promotionId}`)
    await run(`update ${results} set enqueued = true, created_at = now() - interval '1 hour',
      updated_at = now() - interval '1 hour' where promotion_id = ${promotionId}`)
    await run(`update ${results} set updated_at = now() + interval '1 minute'
      where voucher_target_id = ${targets[2]}`)
    const message = giftJson('VOUCHER', { promotionId, targetId: targets[1] })
    await system.redis.xadd(`campaign-promotion-${promotionId}:voucher:stream`, '*', 'key', 'k', 'message', message)
    expectDiscrepancies(await audit([promotionId]), [
      { kind: 'pending-without-entry', promotionId, targetId: targets[0]! },
    ])
    await run(`update campaign_promotion set status = 'STOPPED' where id = ${promotionId}`)
    expect((await audit([promotionId])).ok).toBe(true)
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
    expectDiscrepancies(await audit([promotionId]), [
      { kind: 'retrying-without-job', promotionId, targetId: targets[0]! },
    ])
  })

  test('10: summary counters that are off', async () => {
    const { promotionId } = await pay(await gifts(2))
    await run(`update campaign_promotion_summary set success_count = 3 where id = ${promotionId}`)
    const detail = 'counters 3 SUCCESS, 0 FAILED; rows 2 SUCCESS, 0 FAILED'
    expectDiscrepancies(await audit([promotionId]), [{ kind: 'summary-counter-off', summaryId: promotionId, detail }])
  })

  test('a row that says something else than its message', async () => {
    const { promotionId, targets } = await gifts(2)
    await run(`update campaign_promotion_voucher_result set amount = 99 where voucher_target_id = ${targets[0]}`)
    expectDiscrepancies(await audit([promotionId]), [{ kind: 'row-differs-from-message', targetId: targets[0]! }])
  })

  test('all of them at once: everything is counted, what is listed is bounded, and no kind hides another', async () => {
    const report = await audit([], { limit: 6 })
    expect(report.ok).toBe(false)
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
})
