import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { request } from 'undici'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const CANARY = 20
const GIFTS = 60
const PROMOTIONS = 20
const TEST_BUILD = fileURLToPath(new URL('../../../chaos/build/worker.ts', import.meta.url))

withKafka('the first gifts of a promotion are confirmed before the others are paid', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ PROMOTION_CANARY_GIFTS: String(CANARY) })
    await system.control({ tellsAmount: true })
    await system.start('listener')
  })
  afterAll(() => system.stop())

  const chargesOf = async (promotionId: string) => {
    const { body } = await request(`${system.moneyUrl}/ledger/charges?promotionId=${promotionId}`)
    return (await body.text()).split('\n').filter(Boolean).length
  }
  const begin = async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', GIFTS)
    await system.publishGifts(promotionId, targetsOf(GIFTS))
    return promotionId
  }
  const paused = (promotionId: string) =>
    system.until(
      'PAUSED',
      async () => {
        const promotion = await system.promotions.find(promotionId)
        return promotion?.status === 'PAUSED' && promotion
      },
      60_000,
    )

  test('two healthy workers confirm twenty, and pay all', async () => {
    const workers = [await system.start('worker'), await system.start('worker')]
    const promotionId = await begin()
    await system.until(
      'all SUCCESS',
      async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === GIFTS,
    )
    expect(await system.promotions.find(promotionId)).toMatchObject({ canaryGifts: CANARY, canaryConfirmed: CANARY })
    expect(await chargesOf(promotionId)).toBe(GIFTS)
    await Promise.all(workers.map(worker => worker.stop()))
  }, 60_000)

  test.each([
    ['new-key-per-attempt', /the Money API has no charge for its key/],
    ['amount-times-100', /00 was charged, and not/],
  ])(
    '%s: each of twenty promotions stops before more than twenty gifts were paid wrongly',
    async (bug, why) => {
      const worker = await system.start('worker', { PROMOSTREAM_PLANT: bug }, TEST_BUILD)
      const ids = await Promise.all(Array.from({ length: PROMOTIONS }, begin))
      const reasons = await Promise.all(ids.map(async id => (await paused(id)).pauseReason))
      for (const reason of reasons) expect(reason).toMatch(why)
      // What was under way when it was paused has its end.
      await worker.stop()
      const charges = await Promise.all(ids.map(chargesOf))
      process.stderr.write(`${bug}: at most ${Math.max(...charges)} charges a promotion\n`)
      expect(Math.max(...charges)).toBeLessThanOrEqual(CANARY)
    },
    120_000,
  )
})
