import { expect, test } from '@jest/globals'
import { handlePromotionStarted, type StartedDeps } from '#promotion/consumers/started.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import { createLogger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'

type Promotions = StartedDeps['promotions']
const MINUTE_MS = 60_000

/** One promotion of vouchers, made at `madeAtMs`, and what an event did. */
function create({ status = 'READY', madeAtMs = 0 } = {}) {
  const promotion = { id: '7', type: 'VOUCHER', status, totalCount: 0 }
  const did: string[] = []
  const promotions = {
    find: async (id: string) => (id === '7' ? promotion : undefined),
    isNewerThan: async (id: string, timeMs: number) => id === '7' && madeAtMs > timeMs,
    start: async (id: string, totalCount: number) => {
      did.push(`start ${id} ${totalCount}`)
      const changed = promotion.status === 'READY'
      if (changed) Object.assign(promotion, { status: 'IN_PROGRESS', totalCount })
      return { changed, promotion }
    },
  } as unknown as Promotions
  const metrics = createMetrics('test')
  const deps: StartedDeps = {
    promotions,
    statusFollower: { followOne: async ({ id, totalCount }) => void did.push(`follow ${id} ${totalCount}`) },
    metrics: createPromotionMetrics(metrics),
    logger: createLogger('test', 'silent'),
    onAnswered: id => did.push(`answered ${id}`),
  }
  const refused = async () =>
    [
      ...(await metrics.registry.metrics()).matchAll(
        /^promostream_started_event_errors\w*\{reason="([^"]+)"[^}]*\} 1$/gm,
      ),
    ].map(([, reason]) => reason)
  const hear = (event: unknown, writtenAtMs?: number) =>
    handlePromotionStarted(typeof event === 'string' ? event : JSON.stringify(event), deps, writtenAtMs)
  return { hear, did, refused, deps }
}

const EVENT = { promotionId: '7', totalCount: 40, type: 'VOUCHER' }

test('a promotion that is READY begins, with the total that the event says, and its consumers run', async () => {
  const { hear, did, refused } = create()
  await hear(EVENT)
  expect(did).toEqual(['start 7 40', 'follow 7 40', 'answered 7'])
  expect(await refused()).toEqual([])
})

test('the event again changes nothing, and its consumers run here too', async () => {
  const { hear, did } = create({ status: 'IN_PROGRESS' })
  await hear(EVENT)
  expect(did).toEqual(['start 7 40', 'follow 7 0', 'answered 7'])
})

test.each(['PAUSED', 'STOPPED', 'COMPLETED'])('of a promotion that is %s no consumers run', async status => {
  const { hear, did } = create({ status })
  await hear(EVENT)
  expect(did).toEqual(['start 7 40', 'answered 7'])
})

test.each<[string, unknown]>([
  ['promotion-not-found', { ...EVENT, promotionId: '8' }],
  ['promotion-type-mismatch', { ...EVENT, type: 'POINT' }],
  ['invalid', 'no JSON'],
  ['invalid', { ...EVENT, promotionId: 'seven' }],
])('%s: it starts nothing, is counted, and is not answered', async (reason, event) => {
  const { hear, did, refused } = create()
  await hear(event)
  expect([did, await refused()]).toEqual([[], [reason]])
})

test('an event that is older than its promotion by more than clocks differ starts nothing, and is no fault', async () => {
  const { hear, did, refused } = create({ madeAtMs: 10 * MINUTE_MS })
  await hear(EVENT, 9 * MINUTE_MS - 1)
  expect([did, await refused()]).toEqual([[], []])
  await hear(EVENT, 9 * MINUTE_MS)
  expect(did).toContain('start 7 40')
})

test('an event of which nobody knows when it was written is heard', async () => {
  const { hear, did } = create({ madeAtMs: Number.MAX_SAFE_INTEGER })
  await hear(EVENT)
  expect(did).toContain('start 7 40')
})

test('a database that does not answer is the caller’s to try again', async () => {
  const { hear, deps, refused } = create()
  deps.promotions.find = async () => Promise.reject(new Error('database is away'))
  await expect(hear(EVENT)).rejects.toThrow('database is away')
  expect(await refused()).toEqual([])
})
