import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { readCredentialsLatch } from '#money/credentials-latch.ts'
import { type InstanceRecord, listInstances } from '#promotion/consumers/instances.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const CLI = fileURLToPath(new URL('../../../src/bin/cli.ts', import.meta.url))

withKafka('trouble with the Money API, two workers', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({
      REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '40',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '6000',
      REDIS_STREAM_MAX_DELIVERIES: '2',
      SWEEP_AGE_MS: '60000',
    })
    await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  })
  afterAll(() => system.stop())
  beforeEach(() => system.control({ latencyMs: 20, down: false, refuseCredentials: false, faultPercent: 0 }))

  async function publish(count: number): Promise<string> {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    const values = Array.from({ length: count }, (_, index) =>
      giftJson('VOUCHER', { promotionId, targetId: String(first + BigInt(index)) }),
    )
    await system.publish('VOUCHER', values)
    return promotionId
  }
  const counts = (promotionId: string) => system.countByStatus(promotionId, 'VOUCHER')
  const untilAll = (promotionId: string, count: number) =>
    system.until(`${count} SUCCESS`, async () => (await counts(promotionId)).SUCCESS === count, 30_000)
  const untilInstances = (what: string, isSo: (instance: InstanceRecord) => boolean, timeoutMs?: number) =>
    system.until(
      `two instances: ${what}`,
      async () => {
        const instances = await listInstances(system.redis)
        return instances.length === 2 && instances.every(isSo) && instances
      },
      timeoutMs,
    )
  const requestCount = async () =>
    ((await (await fetch(`${system.moneyUrl}/ledger/summary`)).json()) as { requests: number }).requests
  const attempts = async (promotionId: string) => {
    const { rows } = await sql<{ untried: number; most: number }>`
      select (count(*) filter (where attempts = 0))::float8 as untried, max(attempts)::float8 as most
      from campaign_promotion_voucher_result where promotion_id = ${promotionId}::bigint`.execute(system.kysely)
    return rows[0] ?? { untried: 0, most: 0 }
  }
  const pendingIds = async (promotionId: string) => {
    const [stream, group] = [
      `campaign-promotion-${promotionId}:voucher:stream`,
      `campaign-promotion-${promotionId}-voucher-group`,
    ]
    const entries = (await system.redis.xpending(stream, group, '-', '+', 1000)) as [string, string, number, number][]
    return entries.map(([id, , , deliveries]) => ({ id, deliveries }))
  }

  test('down: the breaker opens, nothing is read, no attempt and no delivery is spent; half-open, it closes again', async () => {
    const before = await requestCount()
    await system.control({ down: true })
    const promotionId = await publish(2000)
    await untilInstances('open', ({ breaker }) => breaker === 'open')
    await system.until('2000 rows', async () => {
      const states = await counts(promotionId)
      return states.PENDING + states.RETRYING === 2000
    })

    // Whatever was in flight when it opened has come back by now.
    await sleep(1000)
    const [callsThen, entriesThen, attemptsThen] = [
      await requestCount(),
      await pendingIds(promotionId),
      await attempts(promotionId),
    ]
    expect(callsThen - before).toBeLessThan(250)
    expect(attemptsThen.most).toBeLessThan(8)
    expect(attemptsThen.untried).toBeGreaterThan(1800)
    const later = await publish(100)

    // Longer than an entry may be idle before another worker takes it: those in flight are renewed.
    await sleep(7000)
    expect(await pendingIds(promotionId)).toEqual(entriesThen)
    // None for what was blocked before its call.
    expect(entriesThen.every(({ deliveries }) => deliveries <= 1)).toBe(true)
    expect(await attempts(promotionId)).toEqual(attemptsThen)
    // Not even what came meanwhile is read.
    expect(await counts(later)).toMatchObject({ PENDING: 100 })
    expect(await system.redis.xlen(`campaign-promotion-${later}:voucher:stream`)).toBe(100)
    expect(await pendingIds(later)).toEqual([])
    // Two instances, a GET a second each.
    expect((await requestCount()) - callsThen).toBeLessThanOrEqual(20)

    await system.control({ down: false })
    await untilAll(promotionId, 2000)
    await untilAll(later, 100)
    await untilInstances('closed', ({ breaker }) => breaker === 'closed')
    expect(new Set((await system.charges(promotionId)).map(({ key }) => key)).size).toBe(2000)
  })
  test('GETs are answered and every POST fails: a handful of calls now and then, and no more', async () => {
    await system.control({ faultPercent: 100, faults: ['error-503', 'timeout-after'] })
    const promotionId = await publish(1000)
    await untilInstances('open', ({ breaker }) => breaker !== 'closed')
    await system.until(
      '1000 rows',
      async () => {
        const { PENDING, RETRYING } = await counts(promotionId)
        return PENDING + RETRYING === 1000
      },
      60_000,
    )
    await sleep(1500)
    const callsThen = await requestCount()
    await sleep(10_000)
    // Five calls after 1, 2, 4 and 5 s, two instances; and the GETs between.
    expect((await requestCount()) - callsThen).toBeLessThan(80)
    expect((await attempts(promotionId)).untried).toBeGreaterThan(700)
    await system.control({ faultPercent: 0 })
    await untilAll(promotionId, 1000)
    expect(await system.charges(promotionId)).toHaveLength(1000)
    // A breaker closes by its own instance's calls: there are some until both have had one.
    await system.until(
      'both closed',
      async () => {
        const more = await publish(50)
        await untilAll(more, 50)
        return (await listInstances(system.redis)).every(({ breaker }) => breaker === 'closed')
      },
      60_000,
    )
  }, 150_000)

  test('a gift whose every call fails opens nothing', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    await system.control({ faultPercent: 100, faults: ['error-500'] })
    await system.publish('VOUCHER', [giftJson('VOUCHER', { promotionId, targetId: String(first) })])
    await system.until('many attempts of one gift', async () => (await attempts(promotionId)).most >= 6, 60_000)
    await untilInstances('closed', ({ breaker }) => breaker === 'closed')
    await system.control({ faultPercent: 0 })
    await untilAll(promotionId, 1)
  }, 150_000)

  test('refused credentials stop every instance; no row changes; a probe that is let in ends it for all', async () => {
    await system.control({ refuseCredentials: true })
    const promotionId = await publish(500)
    const instances = await untilInstances('refused', ({ credentialsRefused }) => credentialsRefused)
    expect(instances.every(({ credentialsRefusedSince }) => credentialsRefusedSince !== null)).toBe(true)
    await sleep(500)
    const callsThen = await requestCount()
    await sleep(6000)
    // One probe in five seconds, over all instances.
    expect((await requestCount()) - callsThen).toBeLessThanOrEqual(2)
    expect(await attempts(promotionId)).toEqual({ untried: 500, most: 0 })
    expect(await counts(promotionId)).toMatchObject({ PENDING: 500 })

    await system.control({ refuseCredentials: false })
    await untilInstances('not refused', ({ credentialsRefused }) => !credentialsRefused, 10_000)
    await untilAll(promotionId, 500)
    expect(await readCredentialsLatch(system.redis)).toBeUndefined()
  })

  test('an instance that was not refused itself holds back too, and an operator lets all go on', async () => {
    // As another instance says it.
    const refusal = { since: '2026-01-01T00:00:00.000Z', code: 'HTTP_403' }
    await system.redis.set('promostream:money:credentials-probe', '1', 'PX', 60_000)
    await system.redis.set('promostream:money:credentials-refused', JSON.stringify(refusal))
    await untilInstances('refused', ({ credentialsRefusedSince }) => credentialsRefusedSince === refusal.since)
    const before = await requestCount()
    const promotionId = await publish(300)
    await system.until('300 rows', async () => (await counts(promotionId)).PENDING === 300)
    await sleep(1000)
    expect(await requestCount()).toBe(before)

    const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'resume-calls', '--json'], { env: system.env })
    expect(JSON.parse(stdout)).toEqual({ wasRefused: true, ...refusal })
    await untilAll(promotionId, 300)
    await system.redis.del('promostream:money:credentials-probe')
  })

  test('a wiped Redis does not lift the refusal: whoever knows of it says so again', async () => {
    await system.control({ refuseCredentials: true })
    const promotionId = await publish(300)
    const { since } = await system.until('the latch', () => readCredentialsLatch(system.redis))
    await untilInstances('refused', ({ credentialsRefusedSince }) => credentialsRefusedSince === since)
    await sleep(500)
    const before = await requestCount()
    await system.redis.flushdb()
    expect(await system.until('the latch again', () => readCredentialsLatch(system.redis))).toMatchObject({ since })
    await untilInstances('refused again', ({ credentialsRefused }) => credentialsRefused)
    expect((await requestCount()) - before).toBeLessThanOrEqual(2)
    expect(await attempts(promotionId)).toEqual({ untried: 300, most: 0 })
    await system.control({ refuseCredentials: false })
    await untilInstances('not refused', ({ credentialsRefused }) => !credentialsRefused, 15_000)
  })
})
