import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('the retry path, on a Money API that fails', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ RETRY_MAX_ATTEMPTS: '3' })
    await Promise.all([system.start('listener'), system.start('worker')])
  })
  afterAll(() => system.stop())

  async function pay(count: number) {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
    await system.publish(
      'VOUCHER',
      targets.map(targetId => giftJson('VOUCHER', { promotionId, targetId })),
    )
    return { promotionId, targets }
  }
  const untilState = (promotionId: string, state: 'SUCCESS' | 'FAILED' | 'UNKNOWN' | 'RETRYING', count: number) =>
    system.until(`${count} ${state}`, async () => (await system.countByStatus(promotionId, 'VOUCHER'))[state] === count)

  test('a refusal that the GET confirms is FAILED after one POST, and holds no charge', async () => {
    await system.control({ refuse: { status: 422, percent: 100 } })
    const { promotionId, targets } = await pay(5)
    await untilState(promotionId, 'FAILED', 5)
    await system.control({ refuse: null })
    expect(await system.charges(promotionId)).toEqual([])
    expect(await system.results.VOUCHER.find(targets[0]!)).toMatchObject({ processStatus: 'FAILED', attempts: 1 })
  })

  test('an answer lost after it was applied is SUCCESS in the end, charged once, by the same key', async () => {
    await system.control({ faultPercent: 60, faults: ['reset-after', 'cut-json', 'error-500'], seed: 3 })
    const { promotionId } = await pay(30)
    await system.until('all final', async () => {
      const { SUCCESS, UNKNOWN } = await system.countByStatus(promotionId, 'VOUCHER')
      return SUCCESS + UNKNOWN === 30
    })
    await system.control({ faultPercent: 0 })
    const charges = await system.charges(promotionId)
    expect(new Set(charges.map(({ key }) => key)).size).toBe(charges.length)
    const { SUCCESS, UNKNOWN, FAILED } = await system.countByStatus(promotionId, 'VOUCHER')
    expect(FAILED).toBe(0)
    expect(charges.length).toBeGreaterThanOrEqual(SUCCESS)
    expect(charges.length).toBeLessThanOrEqual(SUCCESS + UNKNOWN)
  })

  test('attempts used up is UNKNOWN, never FAILED; the job stays in the failed set for a person', async () => {
    // GETs are answered: it is these gifts, not the Money API.
    await system.control({ faultPercent: 100, faults: ['error-503'] })
    const { promotionId, targets } = await pay(3)
    await untilState(promotionId, 'UNKNOWN', 3)
    await system.control({ faultPercent: 0 })
    expect(await system.results.VOUCHER.find(targets[0]!)).toMatchObject({ attempts: 3 })
    await system.until('the failed set', async () => {
      const failed = await system.redis.zrange('promostream:campaign-promotion-retry:failed', '0', '-1')
      return targets.every(target => failed.includes(`VOUCHER-${target}`))
    })
  })

  test('the first failure publishes one retry message: the original, attempt and lastError', async () => {
    await system.control({ faultPercent: 100, faults: ['error-503'] })
    const { promotionId, targets } = await pay(1)
    await system.until('a retry message', async () =>
      (await system.records('VOUCHER_RETRY')).some(record => record.voucherTargetId === targets[0]),
    )
    await system.control({ faultPercent: 0 })
    // However many attempts it took by then, only the first failure has published.
    await system.until('a final state', async () => {
      const { SUCCESS, UNKNOWN } = await system.countByStatus(promotionId, 'VOUCHER')
      return SUCCESS + UNKNOWN === 1
    })
    const records = (await system.records('VOUCHER_RETRY')).filter(record => record.voucherTargetId === targets[0])
    // On a machine that is too busy the call may time out before its answer is read.
    expect(records).toMatchObject([
      {
        promotionId,
        memberId: '7',
        amount: '100',
        attempt: 1,
        lastError: expect.stringMatching(/^(HTTP_503|TIMEOUT): ./),
      },
    ])
  })

  test('refused credentials change no row and cost no attempt; the gifts are paid when they are accepted again', async () => {
    await system.control({ refuseCredentials: true })
    const { promotionId, targets } = await pay(5)
    await system.until('a refused call', async () => (await system.requests()).length > 0)
    await system.until('5 rows', async () => (await system.countByStatus(promotionId, 'VOUCHER')).PENDING === 5)
    await system.control({ refuseCredentials: false })
    await untilState(promotionId, 'SUCCESS', 5)
    expect(await system.results.VOUCHER.find(targets[0]!)).toMatchObject({ attempts: 1 })
  })
})
