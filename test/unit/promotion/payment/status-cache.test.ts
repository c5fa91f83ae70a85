import { expect, test } from '@jest/globals'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import { CampaignPromotionStatusCacheService } from '#promotion/payment/status-cache.ts'
import { until } from '#test/support/redis.ts'

const HOUR_MS = 3_600_000

/** A cache on a table of promotions; `asked` counts the queries. */
function create(maxAgeMs = HOUR_MS) {
  const table = new Map<string, PromotionStatus>()
  const world = { asked: 0, error: undefined as Error | undefined }
  const find = async (id: string) => {
    world.asked += 1
    if (world.error !== undefined) throw world.error
    const status = table.get(id)
    return status === undefined ? undefined : ({ id, status } as never)
  }
  return { cache: new CampaignPromotionStatusCacheService({ find }, maxAgeMs), table, world }
}

test.each<[PromotionStatus | 'no', boolean]>([
  ['IN_PROGRESS', true],
  ['READY', false],
  ['PAUSED', false],
  ['STOPPED', false],
  ['COMPLETED', false],
  ['no', false],
])(
  'gifts of a promotion with %s status may be paid: %s, when it is asked for and when it is known',
  async (status, mayPay) => {
    const { cache, table, world } = create()
    if (status !== 'no') table.set('1', status)
    const first = cache.isPromotionInProgress('1')
    expect(first).toBeInstanceOf(Promise)
    expect(await first).toBe(mayPay)
    expect(cache.isPromotionInProgress('1')).toBe(mayPay)
    expect(await cache.status('1')).toBe(status === 'no' ? undefined : status)
    expect(world.asked).toBe(1)
  },
)

test('many gifts of one moment ask once; another promotion is another question', async () => {
  const { cache, table, world } = create()
  table.set('1', 'IN_PROGRESS').set('2', 'PAUSED')
  const answers = await Promise.all(['1', '1', '2', '1'].map(id => cache.isPromotionInProgress(id)))
  expect(answers).toEqual([true, true, false, true])
  expect(world.asked).toBe(2)
})

test('a status that was changed from here is asked for again at once, that of others is not', async () => {
  const { cache, table, world } = create()
  table.set('1', 'IN_PROGRESS').set('2', 'IN_PROGRESS')
  await Promise.all([cache.status('1'), cache.status('2')])
  table.set('1', 'PAUSED').set('2', 'PAUSED')
  cache.forget('1')
  expect([await cache.isPromotionInProgress('1'), await cache.isPromotionInProgress('2')]).toEqual([false, true])
  expect(world.asked).toBe(3)
})

test('a status that somebody else has changed is seen when what is known has become too old', async () => {
  const { cache, table } = create(1)
  table.set('1', 'IN_PROGRESS')
  expect(await cache.isPromotionInProgress('1')).toBe(true)
  table.set('1', 'PAUSED')
  await until('the pause is seen', async () => (await cache.isPromotionInProgress('1')) === false)
})

test('a database that does not answer is an error, neither a status nor remembered', async () => {
  const { cache, table, world } = create()
  table.set('1', 'IN_PROGRESS')
  world.error = new Error('database is away')
  await expect(cache.isPromotionInProgress('1')).rejects.toThrow('database is away')
  await expect(cache.status('1')).rejects.toThrow('database is away')
  world.error = undefined
  expect(await cache.isPromotionInProgress('1')).toBe(true)
})
