import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Child } from '#local/demo/children.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('the main job, on one listener and two workers', () => {
  let system: TestSystem
  let killed: Child

  beforeAll(async () => {
    system = await TestSystem.create()
    ;[killed] = await Promise.all([system.start('worker'), system.start('worker'), system.start('listener')])
  })
  afterAll(() => system.stop())

  const targetsOf = (count: number) => {
    const first = uniqueId() * 10_000n
    return Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
  }
  const publishGifts = (type: PromotionType, promotionId: string, targetIds: readonly string[]) =>
    system.publish(
      type,
      targetIds.map(targetId => giftJson(type, { promotionId, targetId })),
    )
  const untilPaid = (promotionId: string, type: PromotionType, count: number) =>
    system.until(`${count} SUCCESS`, async () => (await system.countByStatus(promotionId, type)).SUCCESS === count)
  const streamLength = (promotionId: string, kind: string) =>
    system.redis.xlen(`campaign-promotion-${promotionId}:${kind}:stream`)

  test.each(['VOUCHER', 'POINT'] as const)(
    '%s: started before the messages: all paid, once, and nothing left',
    async type => {
      const promotionId = await system.promotion(type, 'READY')
      await system.publishStarted(promotionId, type, 300)
      await publishGifts(type, promotionId, targetsOf(300))
      await untilPaid(promotionId, type, 300)
      const charges = await system.charges(promotionId)
      expect(new Set(charges.map(charge => charge.targetId)).size).toBe(300)
      expect(charges).toHaveLength(300)
      await system.until('an empty stream', async () => (await streamLength(promotionId, type.toLowerCase())) === 0)
      expect(await system.promotions.find(promotionId)).toMatchObject({ status: 'IN_PROGRESS', totalCount: 300 })
    },
  )

  test('started after the messages: rows wait without entries, then all are paid', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    await publishGifts('VOUCHER', promotionId, targetsOf(200))
    await system.until('200 rows', async () => (await system.countByStatus(promotionId, 'VOUCHER')).PENDING === 200)
    expect(await streamLength(promotionId, 'voucher')).toBe(0)
    await system.publishStarted(promotionId, 'VOUCHER', 200)
    await untilPaid(promotionId, 'VOUCHER', 200)
    expect(await system.charges(promotionId)).toHaveLength(200)
  })

  test('started by SQL, without any event: following the status finds it', async () => {
    const promotionId = await system.promotion('POINT', 'READY')
    await publishGifts('POINT', promotionId, targetsOf(20))
    await system.until('20 rows', async () => (await system.countByStatus(promotionId, 'POINT')).PENDING === 20)
    await sql`update campaign_promotion set status = 'IN_PROGRESS' where id = ${promotionId}::bigint`.execute(
      system.kysely,
    )
    await untilPaid(promotionId, 'POINT', 20)
  })

  test('a second started event for the same promotion changes nothing', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    await system.publishStarted(promotionId, 'VOUCHER', 40)
    await publishGifts('VOUCHER', promotionId, targetsOf(40))
    await untilPaid(promotionId, 'VOUCHER', 40)
    const before = await system.promotions.find(promotionId)
    await system.publishStarted(promotionId, 'VOUCHER', 999)
    await publishGifts('VOUCHER', promotionId, targetsOf(1))
    await untilPaid(promotionId, 'VOUCHER', 41)
    expect(await system.promotions.find(promotionId)).toEqual(before)
    expect(await system.charges(promotionId)).toHaveLength(41)
  })

  test('both workers take part in one promotion', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    await system.control({ latencyMs: 50 })
    await system.publishStarted(promotionId, 'VOUCHER', 400)
    const groupKey = `campaign-promotion-${promotionId}:voucher:stream`
    await publishGifts('VOUCHER', promotionId, targetsOf(400))
    await system.until('two consumers', async () => {
      const consumers = (await system.redis
        .xinfo('CONSUMERS', groupKey, `campaign-promotion-${promotionId}-voucher-group`)
        .catch(() => [])) as unknown[]
      return consumers.length === 2
    })
    await untilPaid(promotionId, 'VOUCHER', 400)
    await system.control({ latencyMs: 5 })
    expect(await system.charges(promotionId)).toHaveLength(400)
  })

  test.each(['9007199254740993', '9223372036854775807'])('%s is exact from Kafka to row to Money API', async big => {
    const promotionId = await system.promotion('POINT', 'IN_PROGRESS')
    const raw = `{"promotionId":${promotionId},"promotionSummaryId":${big},"pointTargetId":${big},"partitionKey":"k","memberId":${big},"amount":${big}}`
    await system.publish('POINT', [raw])
    await untilPaid(promotionId, 'POINT', 1)
    expect(await system.charges(promotionId)).toMatchObject([
      { key: `POINT:${big}`, type: 'POINT', promotionId, targetId: big, memberId: big, amount: big },
    ])
    const { rows } = await sql<Record<string, string>>`
      select promotion_summary_id, point_target_id, member_id, amount, message from campaign_promotion_point_result
      where promotion_id = ${promotionId}::bigint`.execute(system.kysely)
    expect(rows).toEqual([
      { promotion_summary_id: big, point_target_id: big, member_id: big, amount: big, message: raw },
    ])
  })

  test('bad messages go to the invalid topic, the good ones behind them are paid', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const [first, second] = targetsOf(2) as [string, string]
    const good = (targetId: string) => giftJson('VOUCHER', { promotionId, targetId })
    const bad = [
      'not json',
      '{}',
      '[]',
      giftJson('VOUCHER', { promotionId, targetId: '1.5' }),
      giftJson('VOUCHER', { promotionId, targetId: '99', partitionKey: 'a\0b' }),
      '['.repeat(10_000),
    ]
    await system.publish('VOUCHER', [good(first), ...bad, good(second)])
    await untilPaid(promotionId, 'VOUCHER', 2)
    const records = await system.until('the invalid topic', async () => {
      const found = (await system.records('INVALID')).filter(({ topic }) => topic === system.topic('VOUCHER'))
      return found.length >= bad.length && found
    })
    expect(records.map(({ valueBase64 }) => Buffer.from(String(valueBase64), 'base64').toString()).sort()).toEqual(
      [...bad].sort(),
    )
    expect(
      records.every(
        ({ reason, partition, offset }) => reason && typeof partition === 'number' && typeof offset === 'string',
      ),
    ).toBe(true)
  })

  test('gifts of promotions that take none are written down as skipped; a target conflict is invalid', async () => {
    const open = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const [target] = targetsOf(1) as [string]
    await publishGifts('VOUCHER', open, [target])
    const cases: [promotionId: string, reason: string][] = [
      [String(uniqueId()), 'promotion-not-found'],
      [await system.promotion('VOUCHER', 'COMPLETED'), 'promotion-completed'],
      [await system.promotion('VOUCHER', 'STOPPED'), 'promotion-stopped'],
      [await system.promotion('POINT', 'IN_PROGRESS'), 'promotion-type-mismatch'],
    ]
    for (const [promotionId] of cases) await publishGifts('VOUCHER', promotionId, targetsOf(1))
    await system.publish('VOUCHER', [giftJson('VOUCHER', { promotionId: open, targetId: target, amount: '101' })])
    const { rows } = await system.until('four skipped rows', async () => {
      const found = await sql<{ promotion_id: string; reason: string }>`
        select promotion_id, reason from campaign_promotion_skipped
        where promotion_id = any (${cases.map(([id]) => id)}::bigint[])`.execute(system.kysely)
      return found.rows.length === cases.length && found
    })
    expect(Object.fromEntries(rows.map(row => [row.promotion_id, row.reason]))).toEqual(Object.fromEntries(cases))
    await system.until('target-conflict', async () =>
      (await system.records('INVALID')).some(({ reason }) => reason === 'target-conflict'),
    )
  })

  test('a message twice is one row, one charge', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const [target, marker] = targetsOf(2) as [string, string]
    await publishGifts('VOUCHER', promotionId, [target, target, marker])
    await untilPaid(promotionId, 'VOUCHER', 2)
    await system.until('an empty stream', async () => (await streamLength(promotionId, 'voucher')) === 0)
    expect(await system.charges(promotionId)).toHaveLength(2)
  })

  test('a worker that is killed in the middle of its calls: the other pays what was its, each gift once', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    await system.control({ latencyMs: 200 })
    await system.publishStarted(promotionId, 'VOUCHER', 400)
    await publishGifts('VOUCHER', promotionId, targetsOf(400))
    await system.until('it has entries', async () => {
      const [key, group] = [
        `campaign-promotion-${promotionId}:voucher:stream`,
        `campaign-promotion-${promotionId}-voucher-group`,
      ]
      const pending = (await system.redis.xpending(key, group, '-', '+', 400).catch(() => [])) as [string, string][]
      return pending.some(([, consumer]) => consumer.includes(`-${killed.pid}-`))
    })
    process.kill(killed.pid, 'SIGKILL')
    await killed.ended
    await untilPaid(promotionId, 'VOUCHER', 400)
    await system.control({ latencyMs: 5 })
    const charges = await system.charges(promotionId)
    expect([charges.length, new Set(charges.map(({ targetId }) => targetId)).size]).toEqual([400, 400])
  }, 60_000)

  test('offsets are committed when all is settled: no lag is left', async () => {
    await system.until(
      'no lag',
      async () => (await system.lag('voucher', 'VOUCHER')) + (await system.lag('point', 'POINT')) === 0,
    )
  })
})
