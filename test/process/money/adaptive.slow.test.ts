import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { request } from 'undici'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const GIFTS = Number(process.env.ADAPTIVE_GIFTS ?? 6000)
const KNEE = 60

withKafka('a Money API that bears sixty calls at once', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ MONEY_API_TIMEOUT_MS: '3000', REDIS_STREAM_CLAIM_MIN_IDLE_MS: '12000' })
    await system.control({ latencyMs: 50, knee: KNEE })
    await system.start('listener')
  })
  afterAll(() => system.stop())

  const outcomes = async () => {
    const { body } = await request(`${system.moneyUrl}/ledger/summary`)
    return (await body.json()) as { requests: number; byOutcome: Record<string, number> }
  }

  /** Pays them by one worker; how many of its calls were too many, and how long it took. */
  async function pay(overrides: Record<string, string>) {
    const before = await outcomes()
    const worker = await system.start('worker', overrides)
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', GIFTS)
    await system.publishGifts(promotionId, targetsOf(GIFTS))
    const startedAtMs = performance.now()
    await system.until(
      'all SUCCESS',
      async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === GIFTS,
      120_000,
    )
    const seconds = (performance.now() - startedAtMs) / 1000
    const after = await outcomes()
    await worker.stop()
    const refused = (after.byOutcome.overloaded ?? 0) - (before.byOutcome.overloaded ?? 0)
    const share = refused / (after.requests - before.requests)
    process.stderr.write(
      `${JSON.stringify(overrides)}: ${Math.round(GIFTS / seconds)} gifts/s, ${(100 * share).toFixed(2)} % too many\n`,
    )
    return share
  }

  test('is asked for as much as it bears, and for what fails by the hundred without that', async () => {
    const followed = await pay({ MONEY_API_ADAPTIVE: 'true' })
    const fixed = await pay({ MONEY_API_ADAPTIVE: 'false' })
    expect(fixed).toBeGreaterThan(0.1)
    // Less than 1 % of a longer run; of this one the way to the number is a part, the longer the busier the machine is.
    expect(followed).toBeLessThan(fixed / 4)
    if (process.env.ADAPTIVE_GIFTS !== undefined) await pay({ WORKER_MAX_IN_FLIGHT: String(KNEE) })
  }, 400_000)
})
