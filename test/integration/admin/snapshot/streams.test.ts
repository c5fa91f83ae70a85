import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createStreamCounter } from '#admin/snapshot/streams.ts'
import type { PromotionProgress } from '#database/promotions/progress.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'

let redis: TestRedis
let connection: StreamConnection

beforeAll(async () => {
  redis = await startTestRedis()
  connection = createStreamConnection({ url: redis.url })
  await connection.ready()
})
afterAll(async () => {
  await connection.close()
  await redis.stop()
})

const promotion = { id: '7', type: 'VOUCHER', status: 'IN_PROGRESS', gifts: { PENDING: 9 } } as PromotionProgress
const [stream, group] = [GIFT_TYPES.VOUCHER.streamKey('7'), GIFT_TYPES.VOUCHER.groupName('7')]
const take = (count: number) => redis.probe.xreadgroup('GROUP', group, 'c', 'COUNT', count, 'STREAMS', stream, '>')

test('an entry is leased since it was seen in flight, however long it waited before; another one begins anew', async () => {
  const counter = createStreamCounter({ connection, streams: GIFT_TYPES })
  const look = async () => (await counter.read([promotion])).get('7')
  expect(await look()).toMatchObject({ pending: 0, oldestLeasedMs: 0 })

  // Their ids say that they were added in 1970.
  for (const id of ['1-0', '2-0', '3-0']) await redis.probe.xadd(stream, id, 'message', '{}')
  await redis.probe.xgroup('CREATE', stream, group, '0')
  await take(2)
  expect(await look()).toMatchObject({ pending: 2, oldestLeasedMs: 0 })
  const once = (await look())?.oldestLeasedMs ?? 0
  const twice = (await look())?.oldestLeasedMs ?? 0
  expect(once).toBeGreaterThan(0)
  expect(twice).toBeGreaterThan(once)
  expect(twice).toBeLessThan(60_000)

  await redis.probe.xack(stream, group, '1-0')
  await take(1)
  expect(await look()).toMatchObject({ pending: 2, oldestLeasedMs: 0 })
  await redis.probe.xack(stream, group, '2-0', '3-0')
  await look()
  expect(await look()).toMatchObject({ pending: 0, oldestLeasedMs: 0 })
})
