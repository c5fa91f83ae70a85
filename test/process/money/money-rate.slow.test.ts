import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const LIMIT = 500
const GIFTS = 4000

withKafka('MONEY_API_RATE_LIMIT, two workers', () => {
  let system: TestSystem
  let workers: Awaited<ReturnType<TestSystem['start']>>[]

  beforeAll(async () => {
    system = await TestSystem.create({
      MONEY_API_RATE_LIMIT: String(LIMIT),
      // 1,200 slots, of which each waits for more than two seconds.
      REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '600',
      MONEY_API_TIMEOUT_MS: '1000',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '6000',
      REDIS_STREAM_MAX_DELIVERIES: '1',
    })
    workers = await Promise.all([system.start('worker'), system.start('worker')])
    await system.start('listener')
  })
  afterAll(() => system.stop())

  async function publish(gifts = GIFTS): Promise<string> {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    const values = Array.from({ length: gifts }, (_, index) =>
      giftJson('VOUCHER', { promotionId, targetId: String(first + BigInt(index)) }),
    )
    await system.publish('VOUCHER', values)
    return promotionId
  }

  test('holds over both together; who waits longer than a time-out loses neither attempt nor delivery', async () => {
    await system.control({ latencyMs: 20, recordRequests: true })
    const promotionId = await publish()
    await system.until(
      'all paid',
      async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === GIFTS,
      60_000,
    )
    const times = (await system.requests()).map(({ atMs }) => Number(atMs)).sort((one, other) => one - other)
    // Hardly a call was made twice, and that for the machine's sake: waiting is no time-out, and nobody takes over.
    expect(times.length).toBeLessThan(GIFTS * 1.05)

    const spanSeconds = ((times.at(-1) as number) - (times[0] as number)) / 1000
    const busiest = busiestSecond(times)
    process.stderr.write(
      `rate limit ${LIMIT}/s: ${Math.round(times.length / spanSeconds)}/s, busiest second ${busiest}\n`,
    )
    expect(times.length / spanSeconds).toBeLessThanOrEqual(LIMIT * 1.05)
    expect(times.length / spanSeconds).toBeGreaterThan(LIMIT * 0.5)
    // Counted where they were answered: a simulator that stands still for a moment answers many at once.
    expect(busiest).toBeLessThan(LIMIT * 2)
  })

  test('a pause reaches the gifts that wait for permits: no POST later than 5 s', async () => {
    await Promise.all(workers.map(worker => worker.stop()))
    const worker = await system.start('worker', { MONEY_API_RATE_LIMIT: '10' })
    const promotionId = await publish(200)
    await system.until('the first ones', async () => (await system.charges(promotionId)).length > 5)
    await system.promotions.move(promotionId, ['IN_PROGRESS'], 'PAUSED')
    await sleep(5000)
    const paid = (await system.charges(promotionId)).length
    expect(paid).toBeLessThan(100)
    await sleep(3000)
    expect(await system.charges(promotionId)).toHaveLength(paid)
    const { RETRYING, PENDING } = await system.countByStatus(promotionId, 'VOUCHER')
    expect({ RETRYING, PENDING }).toEqual({ RETRYING: 0, PENDING: 200 - paid })
    await worker.stop()
  })

  test('a stop does not wait for permits', async () => {
    const worker = await system.start('worker', { MONEY_API_RATE_LIMIT: '10' })
    const promotionId = await publish()
    await system.until('the first ones', async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS > 0)
    // 200 and more slots wait by now: twice as long as a stop may take, if they were to have their turn.
    await worker.stop()
    expect(await worker.ended).toBe(0)
    const { SUCCESS, RETRYING } = await system.countByStatus(promotionId, 'VOUCHER')
    expect(SUCCESS).toBeLessThan(100)
    expect(RETRYING).toBe(0)
  })
})

/** Most calls within any second. */
function busiestSecond(times: readonly number[]): number {
  let most = 0
  let from = 0
  for (const [to, time] of times.entries()) {
    while (time - (times[from] as number) >= 1000) from += 1
    most = Math.max(most, to - from + 1)
  }
  return most
}
