import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** Short versions of runs under test/chaos, on a Redis of their own. */
withKafka('a Redis that is killed, or out of memory', () => {
  let server: TestRedis
  let system: TestSystem

  beforeAll(async () => {
    server = await startTestRedis()
    system = await TestSystem.create({ REDIS_URL: server.url, REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '16' })
    system.redis.on('error', () => undefined)
    await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  })
  afterAll(async () => {
    await system.stop()
    await server.stop()
  })

  const publish = (promotionId: string, gifts: number) => {
    const first = uniqueId() * 10_000n
    return system.publish(
      'VOUCHER',
      Array.from({ length: gifts }, (_, index) =>
        giftJson('VOUCHER', { promotionId, targetId: String(first + BigInt(index)) }),
      ),
    )
  }
  const paid = async (promotionId: string) => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS
  const untilPaid = (promotionId: string, gifts: number) =>
    system.until(`${gifts} SUCCESS`, async () => (await paid(promotionId)) === gifts, 60_000)

  test('SIGKILL again and again under load: all are paid, once', async () => {
    await system.control({ latencyMs: 50 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const publishing = publish(id, 3000)
    for (let kill = 1; kill <= 3; kill++) {
      const before = await paid(id)
      await system.until('work under way', async () => (await paid(id)) > before, 60_000)
      expect(await paid(id)).toBeLessThan(3000)
      server.server.signal('SIGKILL')
      await server.server.gone()
      await server.server.start()
      await sleep(100)
    }
    await publishing
    await untilPaid(id, 3000)
    expect(await system.charges(id)).toHaveLength(3000)
  }, 120_000)

  test('out of memory: what is refused waits as rows, and is paid when there is memory again', async () => {
    await system.control({ latencyMs: 200 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await publish(id, 50)
    await untilPaid(id, 50)
    await system.redis.config('SET', 'maxmemory', '1mb')
    const publishing = publish(id, 1000)
    const refused = async () => /errorstat_OOM:count=(\d+)/.exec(await system.redis.info('errorstats'))?.[1]
    await system.until('refusals', async () => Number(await refused()) > 10)
    await publishing
    expect(await paid(id)).toBeLessThan(1050)
    await system.redis.config('SET', 'maxmemory', '0')
    await system.control({ latencyMs: 5 })
    await untilPaid(id, 1050)
    expect(await system.charges(id)).toHaveLength(1050)
  }, 120_000)
})
