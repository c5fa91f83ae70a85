import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const GIFTS = 300
const MAX_EXTRA_POSTS = 60

withKafka('something else answers for the Money API, POST and GET alike', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create()
    await Promise.all([system.start('listener'), system.start('worker')])
    await system.control({ recordRequests: true })
  })
  afterAll(() => system.stop())

  const counts = (promotionId: string) => system.countByStatus(promotionId, 'VOUCHER')
  const posts = async () =>
    (await system.requests()).filter(({ method, outcome }) => method === 'POST' && outcome === 'instead').length

  // The first one finds an installation that has never been paid anything: nothing but its POSTs tell when it is over.
  test.each(['no-route-404', 'html-200', 'no-route-404', 'redirect-302', 'gzip'])(
    '%s: every gift waits, and is paid when it is over',
    async instead => {
      await system.control({ instead })
      const before = await posts()
      const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', GIFTS + 1)
      await system.publishGifts(promotionId, targetsOf(GIFTS))
      await system.until('300 rows', async () => {
        const { PENDING, RETRYING } = await counts(promotionId)
        return PENDING + RETRYING === GIFTS
      })
      await sleep(6000)
      expect(await counts(promotionId)).toMatchObject({ SUCCESS: 0, FAILED: 0, UNKNOWN: 0 })
      const extra = (await posts()) - before
      expect(extra).toBeGreaterThan(0)
      expect(extra).toBeLessThanOrEqual(MAX_EXTRA_POSTS)
      await system.control({ instead: null })
      await system.until('all SUCCESS', async () => (await counts(promotionId)).SUCCESS === GIFTS, 30_000)
      expect(await system.charges(promotionId)).toHaveLength(GIFTS)
    },
    90_000,
  )

  test('three gifts, too few for the breaker, use all their attempts: RETRYING until it is over', async () => {
    await system.control({ instead: 'status-405' })
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', 4)
    await system.publishGifts(promotionId, targetsOf(3))
    await sleep(12_000)
    expect(await counts(promotionId)).toMatchObject({ SUCCESS: 0, FAILED: 0, UNKNOWN: 0 })
    await system.control({ instead: null })
    await system.until('all SUCCESS', async () => (await counts(promotionId)).SUCCESS === 3, 30_000)
  }, 60_000)

  test('one gift in fifty is answered 403 for ever: the others are paid, and it is UNKNOWN with its code', async () => {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', GIFTS + 1)
    const targets = targetsOf(GIFTS)
    const keys = targets.filter((_target, index) => index % 50 === 0).map(target => `VOUCHER:${target}`)
    await system.control({ forbid: { keys } })
    await system.publishGifts(promotionId, targets)
    await system.until('the others SUCCESS, these UNKNOWN', async () => {
      const { SUCCESS, UNKNOWN } = await counts(promotionId)
      return SUCCESS === GIFTS - keys.length && UNKNOWN === keys.length
    })
    expect(await system.results.VOUCHER.find(targets[0]!)).toMatchObject({ processStatus: 'UNKNOWN', attempts: 8 })
    await system.control({ forbid: null })
  }, 60_000)
})
