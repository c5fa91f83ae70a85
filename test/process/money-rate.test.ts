import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kafkaMissing, uniqueId } from '../support/stack-env.ts'
import { giftJson, TestSystem } from '../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const LIMIT = 500
const GIFTS = 4000

withKafka('MONEY_API_RATE_LIMIT, two workers', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({
      MONEY_API_RATE_LIMIT: String(LIMIT),
      REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '300',
      MONEY_API_TIMEOUT_MS: '300',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '4600',
      REDIS_STREAM_MAX_DELIVERIES: '1',
    })
    await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  })
  afterAll(() => system.stop())

  test('holds over both together; who waits longer than a time-out loses neither attempt nor delivery', async () => {
    await system.control({ latencyMs: 20, recordRequests: true })
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    const values = Array.from({ length: GIFTS }, (_, index) =>
      giftJson('VOUCHER', { promotionId, targetId: String(first + BigInt(index)) }),
    )
    await system.publish('VOUCHER', values)
    await system.until(
      'all paid',
      async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === GIFTS,
      60_000,
    )
    const times = (await system.requests()).map(({ atMs }) => Number(atMs)).sort((one, other) => one - other)
    // No call was made twice: none timed out, none was taken over by the other worker.
    expect(times.length).toBe(GIFTS)

    const spanSeconds = ((times.at(-1) as number) - (times[0] as number)) / 1000
    const busiest = busiestSecond(times)
    process.stderr.write(`rate limit ${LIMIT}/s: ${Math.round(GIFTS / spanSeconds)}/s, busiest second ${busiest}\n`)
    expect(GIFTS / spanSeconds).toBeLessThanOrEqual(LIMIT * 1.05)
    expect(GIFTS / spanSeconds).toBeGreaterThan(LIMIT * 0.7)
    // Counted where they were answered: some were sent earlier than others.
    expect(busiest).toBeLessThanOrEqual(LIMIT * 1.3)
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
