import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('upkeep: what falls between two steps is found again', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ COMPLETION_QUIET_MS: '500', REDIS_STREAM_MAX_LEN: '1000' })
    await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  })
  afterAll(() => system.stop())

  const publish = (promotionId: string, targets: readonly string[]) => system.publishGifts(promotionId, targets)
  /** A row as a listener leaves it that dies between insert and XADD. */
  const leaveRow = async (promotionId: string, targetId: string) => {
    const gift = { promotionId, promotionSummaryId: '1', targetId, partitionKey: 'k', memberId: '7', amount: '100' }
    const message = giftJson('VOUCHER', { promotionId, targetId })
    const place = { kafkaPartition: 0, kafkaOffset: '0', wantsEntry: true }
    expect(await system.results.VOUCHER.insert({ ...gift, message, ...place })).toMatchObject({ enqueued: true })
  }
  const untilPaid = (promotionId: string, count: number) =>
    system.until(
      `${count} SUCCESS`,
      async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === count,
      40_000,
    )
  const streamOf = (promotionId: string) => `campaign-promotion-${promotionId}:voucher:stream`

  test('a row whose entry was never added (crash between insert and XADD) is paid, once', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const targets = targetsOf(5)
    for (const target of targets) await leaveRow(promotionId, target)
    await untilPaid(promotionId, 5)
    expect(await system.charges(promotionId)).toHaveLength(5)
  })

  test('a RETRYING row without a live job gets one', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const [target] = targetsOf(1) as [string]
    await leaveRow(promotionId, target)
    await system.results.VOUCHER.move({ targetId: target, to: 'RETRYING', errorCode: 'x', errorMessage: '', posts: 1 })
    await untilPaid(promotionId, 1)
    expect(await system.results.VOUCHER.find(target)).toMatchObject({ attempts: 2 })
  })

  test('a Redis wiped in the middle of 2,000 gifts is a delay: all are paid, once, without a command by hand', async () => {
    await system.control({ latencyMs: 60 })
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const publishing = publish(promotionId, targetsOf(2000))
    await system.until('some paid', async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS > 100)
    await system.redis.flushdb()
    await publishing
    await untilPaid(promotionId, 2000)
    await system.control({ latencyMs: 5 })
    expect(await system.charges(promotionId)).toHaveLength(2000)
  })

  test('more gifts than the stream may hold: it never passes its bound, all are paid, nothing is trimmed unread', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    await publish(promotionId, targetsOf(3000))
    await system.until('3,000 rows', async () => (await system.countByStatus(promotionId, 'VOUCHER')).PENDING === 3000)
    await system.publishStarted(promotionId, 'VOUCHER', 9_999_999)
    let longest = 0
    await system.until('all paid', async () => {
      longest = Math.max(longest, await system.redis.xlen(streamOf(promotionId)))
      return (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === 3000
    })
    expect(longest).toBeLessThanOrEqual(1000)
    expect(await system.charges(promotionId)).toHaveLength(3000)
  })

  test('completed exactly once when all is final: stream gone, event published, no gift taken after it', async () => {
    const promotionId = await system.promotion('VOUCHER', 'READY')
    await system.publishStarted(promotionId, 'VOUCHER', 30)
    await publish(promotionId, targetsOf(30))
    const completed = await system.until('COMPLETED', async () => {
      const promotion = await system.promotions.find(promotionId)
      return promotion?.status === 'COMPLETED' && promotion
    })
    expect(new Date(completed.finishedAt!).toISOString()).toBe(completed.finishedAt)
    await publish(promotionId, targetsOf(1))
    const events = await system.until('the completed event', async () => {
      const found = (await system.records('COMPLETED')).filter(event => event.promotionId === promotionId)
      return found.length > 0 && found
    })
    expect(events).toEqual([
      {
        promotionId,
        type: 'VOUCHER',
        totalCount: 30,
        success: 30,
        failed: 0,
        unknown: 0,
        finishedAt: completed.finishedAt,
      },
    ])
    expect(await system.redis.exists(streamOf(promotionId))).toBe(0)
    const { rows } = await sql<{ reason: string }>`
      select reason from campaign_promotion_skipped where promotion_id = ${promotionId}::bigint`.execute(system.kysely)
    expect(rows).toEqual([{ reason: 'promotion-completed' }])
  })

  test('a paused promotion makes no POST within 5 s, keeps taking rows, and is paid when it goes on', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await publish(promotionId, targetsOf(10))
    await untilPaid(promotionId, 10)
    const pausedAt = Date.now()
    await sql`update campaign_promotion set status = 'PAUSED' where id = ${promotionId}::bigint`.execute(system.kysely)
    await system.until('5 s', async () => Date.now() - pausedAt > 5000)
    await publish(promotionId, targetsOf(10))
    await system.until('10 rows', async () => (await system.countByStatus(promotionId, 'VOUCHER')).PENDING === 10)
    await system.until('2 s more', async () => Date.now() - pausedAt > 7000)
    expect(await system.charges(promotionId)).toHaveLength(10)
    await system.promotions.move(promotionId, ['PAUSED'], 'IN_PROGRESS')
    await untilPaid(promotionId, 20)
  })
})
