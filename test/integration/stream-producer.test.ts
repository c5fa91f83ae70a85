import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { PromotionStreamProducer } from '#promotion/stream-producer.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

const MAX_LEN = 1000
const PRODUCERS = 8

let redis: TestRedis
let connections: StreamConnection[]

beforeAll(async () => {
  redis = await startTestRedis()
  connections = Array.from({ length: PRODUCERS }, () => createStreamConnection({ url: redis.url }))
  await Promise.all(connections.map(connection => connection.ready()))
})
afterAll(async () => {
  await Promise.all(connections.map(connection => connection.close()))
  await redis.stop()
})

test('eight listeners with a flood each: the stream stays within its bound, and nothing is trimmed', async () => {
  const producers = connections.map(connection => new PromotionStreamProducer({ connection, maxLen: MAX_LEN }))
  let admitted = 0
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      producers.flatMap(producer =>
        Array.from({ length: 500 }, async () => {
          if (!(await producer.admit('flood'))) return
          admitted += 1
          await producer.enqueue('flood', 'k', '{}')
        }),
      ),
    )
  }
  expect(admitted).toBeGreaterThan(MAX_LEN / 2)
  expect(admitted).toBeLessThanOrEqual(MAX_LEN)
  expect(await redis.probe.xlen('flood')).toBe(admitted)
})
