import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
/** Enough to open the breaker of a process that has heard nothing yet, and all of them called at once. */
const FIRST = 10
/** The same after many that were answered. */
const FIRST_AFTER_GOOD = 20
const GIFTS = 600

withKafka('a listener that pays by itself (REDIS_STREAM_ENABLED=false), the Money API down', () => {
  let system: TestSystem
  let listener: Awaited<ReturnType<TestSystem['start']>>

  beforeAll(async () => {
    system = await TestSystem.create({ REDIS_STREAM_ENABLED: 'false', SWEEP_AGE_MS: '60000' })
    ;[listener] = await Promise.all([system.start('listener'), system.start('worker')])
  })
  afterAll(() => system.stop())

  /** A promotion of which all rows are there, most were not tried, and the listener holds back. */
  async function publishWhileDown(first: number): Promise<string> {
    await system.control({ down: true })
    const promotionId = await system.promotion('POINT', 'IN_PROGRESS')
    const target = uniqueId() * 10_000n
    const values = Array.from({ length: GIFTS }, (_, index) =>
      giftJson('POINT', { promotionId, targetId: String(target + BigInt(index)) }),
    )
    await system.publish('POINT', values.slice(0, first))
    await system.until('the listener’s breaker to open', async () => {
      const metrics = await (await fetch(`${listener.url}/metrics`)).text()
      return /^promostream_money_breaker_state\{[^}]*\} 2$/m.test(metrics)
    })
    await system.publish('POINT', values.slice(first))
    await system.until('all rows', async () => {
      const { PENDING, RETRYING } = await system.countByStatus(promotionId, 'POINT')
      return PENDING + RETRYING === GIFTS
    })
    return promotionId
  }

  test('the topic waits, longer than a session of its group; then every gift is paid, once', async () => {
    const promotionId = await publishWhileDown(FIRST)
    // The session of a consumer that does not heartbeat is over after 15 s.
    await sleep(17_000)
    expect(await system.lag('point', 'POINT')).toBeGreaterThan(0)
    const { rows } = await sql<{ untried: number }>`
      select count(*)::float8 as untried from campaign_promotion_point_result
      where promotion_id = ${promotionId}::bigint and attempts = 0`.execute(system.kysely)
    expect(rows[0]?.untried).toBeGreaterThanOrEqual(GIFTS - FIRST)
    expect((await fetch(`${listener.url}/ready`)).status).toBe(200)

    await system.control({ down: false })
    await system.until(
      'all paid',
      async () => (await system.countByStatus(promotionId, 'POINT')).SUCCESS === GIFTS,
      30_000,
    )
    await system.until('no lag', async () => (await system.lag('point', 'POINT')) === 0)
    expect(await system.charges(promotionId)).toHaveLength(GIFTS)
  }, 90_000)

  test('a promotion that is stopped meanwhile is not paid when it is back; a start pays the rest, once', async () => {
    const promotionId = await publishWhileDown(FIRST_AFTER_GOOD)
    expect(await system.lag('point', 'POINT')).toBeGreaterThan(0)
    await system.promotions.move(promotionId, ['IN_PROGRESS'], 'STOPPED')
    await sleep(2000)
    await system.control({ down: false })
    await system.until('no lag', async () => (await system.lag('point', 'POINT')) === 0, 30_000)
    expect(await system.charges(promotionId)).toEqual([])

    const arguments_ = ['--disable-warning=TimeoutNegativeWarning', 'src/bin/cli.ts', 'start', promotionId]
    await promisify(execFile)(process.execPath, arguments_, { env: system.env })
    await system.until(
      'all paid',
      async () => (await system.countByStatus(promotionId, 'POINT')).SUCCESS === GIFTS,
      30_000,
    )
    expect(await system.charges(promotionId)).toHaveLength(GIFTS)
  }, 90_000)

  test('a stop while the topic waits is clean', async () => {
    await system.control({ down: true })
    const promotionId = await system.promotion('POINT', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    const values = Array.from({ length: GIFTS }, (_, index) =>
      giftJson('POINT', { promotionId, targetId: String(first + BigInt(index)) }),
    )
    await system.publish('POINT', values)
    await system.until('all rows', async () => {
      const { PENDING, RETRYING } = await system.countByStatus(promotionId, 'POINT')
      return PENDING + RETRYING === GIFTS
    })
    await listener.stop()
    expect(await listener.ended).toBe(0)
  }, 60_000)
})
