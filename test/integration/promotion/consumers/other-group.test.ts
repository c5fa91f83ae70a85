import { expect, jest, test } from '@jest/globals'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { PromotionStreamManager } from '#promotion/consumers/stream-manager.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { createStreamConnection, StreamPool } from '#stream/index.ts'
import { startTestRedis, until } from '#test/support/redis.ts'

test('a second consumer group on a promotion’s stream is counted', async () => {
  const redis = await startTestRedis()
  const connection = createStreamConnection({ url: redis.url })
  await connection.ready()
  const logger = createLogger('test', 'silent')
  const pool = new StreamPool({ connection, maxInFlight: 10, pollIntervalMs: 20 })
  const registry = new PromotionConsumerRegistry(logger)
  const onOtherGroup = jest.fn<(type: PromotionType) => void>()
  const none = () => Promise.reject(new Error('there are no entries'))
  const handler = { stream: GIFT_TYPES.VOUCHER, processor: { processStreamMessage: none, markPoison: none } }
  const manager = new PromotionStreamManager({
    connection,
    pool,
    registry,
    handlers: { VOUCHER: handler, POINT: handler },
    settings: {
      maxLen: 1000,
      readCount: 10,
      pollIntervalMs: 20,
      maxConsumersPerInstance: 10,
      claimMinIdleMs: 5000,
      maxDeliveries: 5,
    },
    logger,
    onDead: () => undefined,
    onOtherGroup,
  })
  try {
    await redis.probe.xgroup('CREATE', GIFT_TYPES.VOUCHER.streamKey('1'), 'somebody-else', '0', 'MKSTREAM')
    await manager.startConsumers('1', 10, 'VOUCHER')
    await until('it is counted', () => onOtherGroup.mock.calls.length > 0)
    expect(onOtherGroup.mock.calls).toEqual([['VOUCHER']])
  } finally {
    await registry.shutdownAll(AbortSignal.timeout(2000))
    await pool.close()
    await connection.close()
    await redis.stop()
  }
})
