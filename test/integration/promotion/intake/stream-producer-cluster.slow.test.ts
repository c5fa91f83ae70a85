import { afterAll, beforeAll, expect, test } from '@jest/globals'
import calculateSlot from 'cluster-key-slot'
import { settleBatch, type Work } from '#listeners/settle-batch.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { until } from '#test/support/redis.ts'
import { startCluster } from '#test/support/redis-cluster.ts'

let cluster: Awaited<ReturnType<typeof startCluster>>
let connection: StreamConnection

beforeAll(async () => {
  cluster = await startCluster({ password: 'p@ss:w/rd', allowPartial: true })
  connection = createStreamConnection(cluster.options)
  await connection.ready()
}, 60_000)
afterAll(async () => {
  await connection.close()
  await cluster.stop()
}, 30_000)

/** A stream of the n-th node. */
function streamOf(node: number): string {
  for (let id = 1; ; id++) {
    const key = `campaign-promotion-${id}:voucher:stream`
    if (Math.floor((calculateSlot(key) * 3) / 16_384) === node) return key
  }
}

test('a shard that is away keeps no gift of another from its entry, and no batch from its end, also when nobody else writes', async () => {
  const logger = createLogger('test', 'silent')
  const [healthy, away] = [streamOf(0), streamOf(2)]
  const producer = new PromotionStreamProducer({ connection, maxLen: 10_000, logger })
  const retryer = createRetryer({ maxRetries: 4, initialDelayMs: 100, maxDelayMs: 2000 })
  /** As the listener does it: a place, then the row, then the entry. */
  const accept =
    (stream: string): Work<boolean> =>
    async doStep => {
      if (!(await doStep(() => producer.admit(stream)))) return false
      return doStep(() => producer.enqueue(stream, 'k', '{}'))
    }
  const settle = (count: number) =>
    settleBatch(
      Array.from({ length: count }, (_, index) => accept(index % 2 === 0 ? healthy : away)),
      { retryer, logger, signal: AbortSignal.timeout(60_000) },
    )
  const length = () => cluster.nodes[0]!.probe.xlen(healthy)

  const server = cluster.nodes[2]!.server
  server.signal('SIGKILL')
  await server.gone()
  expect((await settle(500)).filter(result => result === false)).toHaveLength(250)
  expect(await length()).toBe(250)
  const fromMs = performance.now()
  await settle(500)
  // Known by now: nobody waits for a command that nobody answers.
  expect(performance.now() - fromMs).toBeLessThan(2000)
  expect(await length()).toBe(500)

  await server.start()
  await until('it is written again', () => producer.admit(away), 30_000)
  expect(await producer.enqueue(away, 'k', '{}')).toBe(true)
}, 120_000)
