import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createOperations } from '#promotion/operations.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { createLogger } from '#runtime/logger.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const GIFTS = 300

withKafka('the Money API refuses every gift', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create()
    await Promise.all([system.start('listener'), system.start('worker'), system.start('worker', { WORKER_PORT: '0' })])
  })
  afterAll(() => system.stop())

  test('the promotion is paused with its reason before all are FAILED; resumed when it is well, the rest is paid', async () => {
    const counts = (id: string) => system.countByStatus(id, 'VOUCHER')
    // Slow enough for the pause to be felt: the calls under way when the hundredth is FAILED have their end.
    await system.control({ refuse: { status: 422, percent: 100 }, latencyMs: 100 })
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', GIFTS)
    await system.publishGifts(promotionId, targetsOf(GIFTS))
    const paused = await system.until('PAUSED', async () => {
      const promotion = await system.promotions.find(promotionId)
      return promotion?.status === 'PAUSED' && promotion
    })
    expect(paused.pauseReason).toMatch(/^\d+ of \d+ gifts FAILED within a minute/)
    await system.control({ refuse: null, latencyMs: 5 })
    await system.until('all rows', async () => {
      const { PENDING, FAILED, RETRYING } = await counts(promotionId)
      return PENDING + RETRYING + FAILED === GIFTS
    })
    const { FAILED } = await counts(promotionId)
    expect(FAILED).toBeGreaterThanOrEqual(100)
    expect(FAILED).toBeLessThan(GIFTS)
    const operations = createOperations({
      kysely: system.kysely,
      promotions: system.promotions,
      streams: promotionStreams(''),
      logger: createLogger('test', 'silent'),
    })
    await operations.resume(promotionId)
    await system.until('the rest SUCCESS', async () => {
      const now = await counts(promotionId)
      return now.SUCCESS > 0 && now.SUCCESS + now.FAILED === GIFTS
    })
    // What was on its way when the promotion was paused, no more.
    expect((await counts(promotionId)).FAILED).toBeLessThan(FAILED + 100)
    expect((await system.promotions.find(promotionId))?.pauseReason).toBeNull()
  }, 90_000)
})
