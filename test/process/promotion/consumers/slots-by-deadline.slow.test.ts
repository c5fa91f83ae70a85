import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { PromotionType } from '#queues/gift-types.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

const GIFTS = { VOUCHER: 2400, POINT: 3600 }
const TYPES = Object.keys(GIFTS) as PromotionType[]
/** Of the time that it takes where slots are shared evenly. */
const SHORTER = 0.75

withKafka('two promotions on two workers of twelve slots, the vouchers with a deadline', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ WORKER_MAX_IN_FLIGHT: '12' })
    await system.control({ latencyMs: 150 })
    await system.start('listener')
  }, 120_000)
  afterAll(() => system.stop())

  /** Pays both. @returns when each was done, in seconds from their start. */
  async function pay(isByDeadline: boolean, deadlineS: number): Promise<Record<PromotionType, number>> {
    const ids = {} as Record<PromotionType, string>
    for (const type of TYPES) {
      ids[type] = await system.promotion(type, 'READY', GIFTS[type])
      const gifts = targetsOf(GIFTS[type]).map(targetId => giftJson(type, { promotionId: ids[type], targetId }))
      await system.publish(type as 'VOUCHER' | 'POINT', gifts)
    }
    const done = async (type: PromotionType, status: 'PENDING' | 'SUCCESS') =>
      (await system.countByStatus(ids[type], type))[status] === GIFTS[type]
    for (const type of TYPES) await system.until(`rows of ${type}`, () => done(type, 'PENDING'), 60_000)
    const settings = { WORKER_SLOTS_BY_DEADLINE: String(isByDeadline) }
    const workers = await Promise.all([system.start('worker', settings), system.start('worker', settings)])
    await sql`update campaign_promotion set status = 'IN_PROGRESS',
      deadline_at = case when type = 'VOUCHER' then now() + ${deadlineS}::int * interval '1 second' end
      where id = any (${Object.values(ids)}::bigint[])`.execute(system.kysely)
    const startedAtMs = performance.now()
    const seconds = {} as Record<PromotionType, number>
    const timed = async (type: PromotionType) => {
      await system.until(`${type} paid`, () => done(type, 'SUCCESS'), 180_000)
      seconds[type] = (performance.now() - startedAtMs) / 1000
    }
    await Promise.all(TYPES.map(timed))
    await Promise.all(workers.map(worker => worker.stop()))
    for (const type of TYPES) {
      const charges = await system.charges(ids[type])
      expect([charges.length, new Set(charges.map(({ key }) => key)).size]).toEqual([GIFTS[type], GIFTS[type]])
    }
    const text = TYPES.map(type => `${type} ${seconds[type].toFixed(1)} s`).join(', ')
    process.stderr.write(`slots ${isByDeadline ? 'by deadline' : 'evenly'}, deadline ${deadlineS} s: ${text}\n`)
    return seconds
  }

  test('evenly it would be late; by deadline it is in time, and both balance', async () => {
    const evenly = await pay(false, 3600)
    const deadlineS = Math.ceil(SHORTER * evenly.VOUCHER)
    const hurried = await pay(true, deadlineS)
    expect(evenly.VOUCHER).toBeGreaterThan(deadlineS)
    expect(hurried.VOUCHER).toBeLessThan(deadlineS)
    // Nothing is lost by it: all slots have work.
    expect(hurried.POINT).toBeLessThan(1.3 * evenly.POINT)
  }, 500_000)
})
