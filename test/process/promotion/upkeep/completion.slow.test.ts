import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Child } from '#local/demo/children.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const QUIET_MS = 1500

withKafka('completion, where it is not plain', () => {
  let system: TestSystem
  let workers: Child[]

  beforeAll(async () => {
    system = await TestSystem.create({ COMPLETION_QUIET_MS: String(QUIET_MS) })
    const [, ...started] = await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
    workers = started
  })
  afterAll(() => system.stop())

  const publish = (promotionId: string, targets: readonly string[]) => system.publishGifts(promotionId, targets)
  const count = (promotionId: string) => system.countByStatus(promotionId, 'VOUCHER')
  const untilPaid = (promotionId: string, gifts: number) =>
    system.until(`${gifts} SUCCESS`, async () => (await count(promotionId)).SUCCESS === gifts, 40_000)
  const status = async (promotionId: string) => (await system.promotions.find(promotionId))?.status
  const untilCompleted = (promotionId: string) =>
    system.until('COMPLETED', async () => (await status(promotionId)) === 'COMPLETED', 40_000)
  const untilAnnounced = (promotionId: string) =>
    system.until('the completed event', async () => {
      const { rows } = await sql<{ done: boolean }>`
        select completed_event_at is not null as done from campaign_promotion
        where id = ${promotionId}::bigint`.execute(system.kysely)
      return rows[0]?.done
    })
  const events = async (promotionId: string) =>
    (await system.records('COMPLETED')).filter(event => event.promotionId === promotionId)
  const streamOf = (promotionId: string) => `campaign-promotion-${promotionId}:voucher:stream`
  const groupOf = (promotionId: string) => `campaign-promotion-${promotionId}-voucher-group`
  /** Two rounds that look closely have gone by since now. */
  const untilLookedAt = async () => {
    const from = Date.now()
    await system.until('two more rounds', async () => Date.now() - from > QUIET_MS + 4000)
  }

  test('an entry that comes after the completion pays nothing and is removed', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 5)
    const targets = targetsOf(5)
    await publish(id, targets)
    await untilCompleted(id)
    await untilAnnounced(id)
    const message = giftJson('VOUCHER', { promotionId: id, targetId: targets[0] })
    await system.redis.xadd(streamOf(id), '*', 'key', 'k', 'message', message)
    await system.until('the stream is gone', async () => (await system.redis.exists(streamOf(id))) === 0)
    expect(await system.charges(id)).toHaveLength(5)
    expect(await status(id)).toBe('COMPLETED')
    expect(await events(id)).toHaveLength(1)
  }, 60_000)

  test('a worker that sleeps through the completion pays nothing again and leaves no stream behind', async () => {
    await system.control({ latencyMs: 300 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 400)
    const publishing = publish(id, targetsOf(400))
    await system.until('some paid', async () => (await count(id)).SUCCESS > 5)
    const [sleeper] = workers as [Child]
    process.kill(sleeper.pid, 'SIGSTOP')
    try {
      await publishing
      await system.control({ latencyMs: 5 })
      await untilCompleted(id)
      await untilAnnounced(id)
    } finally {
      process.kill(sleeper.pid, 'SIGCONT')
    }
    await untilLookedAt()
    await system.until('the stream is gone', async () => (await system.redis.exists(streamOf(id))) === 0)
    expect((await count(id)).SUCCESS).toBe(400)
    expect(await system.charges(id)).toHaveLength(400)
    expect(await events(id)).toHaveLength(1)
  }, 90_000)

  test('a member that only acknowledges: what it leaves is removed, and the promotion completes', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 1500)
    const [stream, group] = [streamOf(id), groupOf(id)]
    await system.until('the group', async () => (await system.redis.exists(stream)) === 1)
    let isPaid = false
    let settled = 0
    const spring = (async () => {
      while (!isPaid) {
        const reply = (await system.redis.xreadgroup('GROUP', group, 'spring', 'COUNT', 20, 'STREAMS', stream, '>')) as
          | [string, [string, string[]][]][]
          | null
        const entries = reply?.[0]?.[1] ?? []
        for (const [entryId, fields] of entries) {
          const { voucherTargetId } = JSON.parse(fields[fields.indexOf('message') + 1]!) as { voucherTargetId: string }
          const gift = { targetId: voucherTargetId, moneyKey: `spring-${voucherTargetId}`, posts: 1 }
          await system.results.VOUCHER.move({ ...gift, to: 'SUCCESS' })
          await system.redis.xack(stream, group, entryId)
          settled += 1
        }
      }
    })()
    await publish(id, targetsOf(1499))
    await untilPaid(id, 1499)
    expect(settled).toBeGreaterThan(0)
    await system.until('an empty stream', async () => (await system.redis.xlen(stream)) === 0)
    expect(await status(id)).toBe('IN_PROGRESS')
    isPaid = true
    await spring
    await publish(id, targetsOf(1))
    await untilCompleted(id)
    expect(await system.charges(id)).toHaveLength(1500 - settled)
  }, 60_000)

  test('a total of 0 does not complete until somebody says how many there are', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 0)
    await publish(id, targetsOf(10))
    await untilPaid(id, 10)
    await untilLookedAt()
    expect(await status(id)).toBe('IN_PROGRESS')
    await system.publishStarted(id, 'VOUCHER', 10)
    await untilCompleted(id)
  }, 60_000)

  test('a total that is too large does not complete by itself', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 11)
    await publish(id, targetsOf(10))
    await untilPaid(id, 10)
    await untilLookedAt()
    expect(await status(id)).toBe('IN_PROGRESS')
    await publish(id, targetsOf(1))
    await untilCompleted(id)
  }, 60_000)

  test('a total that is too small completes when it has been quiet, with every gift that had come by then', async () => {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 3)
    await publish(id, targetsOf(30))
    await untilCompleted(id)
    await publish(id, targetsOf(1))
    await system.until('the late gift is skipped', async () => {
      const { rows } = await sql`
        select 1 from campaign_promotion_skipped where promotion_id = ${id}::bigint`.execute(system.kysely)
      return rows.length === 1
    })
    expect(await system.charges(id)).toHaveLength(30)
    await untilAnnounced(id)
    expect(await events(id)).toMatchObject([{ totalCount: 3, success: 30 }])
  }, 60_000)
})
