import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('the admin’s metrics', () => {
  let system: TestSystem
  let viewer: ReturnType<AdminClient['as']>

  beforeAll(async () => {
    system = await TestSystem.create()
    viewer = new AdminClient(await system.start('admin', { ADMIN_USERS: adminUsers() })).as('vera')
  }, 60_000)
  afterAll(() => system.stop())

  /** A sample's value; undefined where there is none. */
  const sampleOf = async (name: string, promotionId: string) => {
    // While somebody looks there is a snapshot each second, not each fifth.
    await viewer('/api/promotions')
    const { text } = await viewer('/metrics')
    const value = new RegExp(`^${name}\\{promotion_id="${promotionId}".*\\} (\\S+)$`, 'm').exec(text)?.[1]
    return value === undefined ? undefined : Number(value)
  }
  const addGift = (promotionId: string, status: string) =>
    sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status)
      values (${promotionId}::bigint, 1, ${promotionId}::bigint, 'k', 1, 100, '{}', ${status})`.execute(system.kysely)

  test('UNKNOWN gifts are told of when their promotion has completed, and 200 others after it', async () => {
    const unsettled = await system.promotion('VOUCHER', 'COMPLETED', 1)
    const settled = await system.promotion('VOUCHER', 'COMPLETED', 1)
    await Promise.all([addGift(unsettled, 'UNKNOWN'), addGift(settled, 'FAILED')])
    await sql`insert into campaign_promotion (id, type, status, started_at)
      select n, 'VOUCHER', 'COMPLETED', now() + interval '1 day' from generate_series(1, 200) n`.execute(system.kysely)
    expect(
      await system.until('it is told', async () => {
        const told = await sampleOf('promostream_unknown', unsettled)
        return told !== undefined && { told, other: await sampleOf('promostream_unknown', settled) }
      }),
    ).toEqual({ told: 1, other: undefined })
    expect(await sampleOf('promostream_backlog', unsettled)).toBeUndefined()
  })
  test('a paused promotion is told apart from one in progress', async () => {
    const [running, paused] = [
      await system.promotion('POINT', 'IN_PROGRESS', 1),
      await system.promotion('POINT', 'PAUSED', 1),
    ]
    const told = await system.until('both are told', async () => {
      const values = [
        await sampleOf('promostream_in_progress', running),
        await sampleOf('promostream_in_progress', paused),
      ]
      return !values.includes(undefined) && values
    })
    expect(told).toEqual([1, 0])
  })
  test('a promotion that was paused by itself is told apart from one that somebody paused', async () => {
    const [byItself, byHand] = [
      await system.promotion('POINT', 'PAUSED', 1),
      await system.promotion('POINT', 'PAUSED', 1),
    ]
    await sql`update campaign_promotion set pause_reason = '120 of 130 gifts FAILED' where id = ${byItself}::bigint`.execute(
      system.kysely,
    )
    const told = await system.until('both are told', async () => {
      const values = [
        await sampleOf('promostream_paused_by_itself', byItself),
        await sampleOf('promostream_paused_by_itself', byHand),
      ]
      return !values.includes(undefined) && values
    })
    expect(told).toEqual([1, 0])
  })
})
