import { afterEach, beforeEach, expect, test } from '@jest/globals'
import calculateSlot from 'cluster-key-slot'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import { createLogger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'
import { startCluster } from '#test/support/redis-cluster.ts'
import { createRetryWorker } from '#workers/retry.worker.ts'

/** Once a new connection would work: within 10 s, and a busy machine gets half as much again, in ms. */
const WORKING_AGAIN_MS = 15_000
const policy = { maxAttempts: 8, baseMs: 1, maxMs: 10 }
const logger = createLogger('test', 'silent')

let stack: AsyncDisposableStack
beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())

interface Where {
  url: string
  cluster: boolean
  prefix: string
}

async function clientOf({ url, cluster }: Where) {
  const client = createRedisClient({ url, cluster, logger })
  stack.defer(() => client.disconnect())
  await connectRedis(client, 10_000)
  return client
}

/** Queue and worker as the processes have them, with one retry done. */
async function retriesOn(where: Where) {
  const { prefix } = where
  const seen = new Set<string>()
  const process = async (targetId: string) => {
    seen.add(targetId)
    return { kind: 'done' } as const
  }
  const processors = { VOUCHER: { process }, POINT: { process } }
  const worker = createRetryWorker({ connection: await clientOf(where), prefix, policy, processors, logger })
  await worker.start()
  stack.defer(() => worker.stop(AbortSignal.timeout(1000)))
  const jobs = createRetryJobs({ connection: await clientOf(where), prefix, policy })
  stack.defer(() => jobs.stop())
  await jobs.start()
  const add = (targetId: string) => jobs.add([{ data: { type: 'VOUCHER', promotionId: '1', targetId }, attempts: 1 }])
  await add('1')
  await until('the first retry', () => seen.has('1'), WORKING_AGAIN_MS)
  return { seen, add }
}

/** Killed under a worker that waits for a job; what is added meanwhile and afterwards is done soon after it is back. */
async function survivesDeath(
  { seen, add }: Awaited<ReturnType<typeof retriesOn>>,
  { server }: TestRedis,
  restart: () => Promise<void>,
): Promise<void> {
  // As the listener does: what is refused, or was in flight on a socket that is lost, is added again.
  const added = (targetId: string, withinMs: number) =>
    until(
      `${targetId} is taken`,
      () =>
        add(targetId).then(
          () => true,
          () => false,
        ),
      withinMs,
    )
  for (const round of ['a', 'b']) {
    server.signal('SIGKILL')
    await server.gone()
    const meanwhile = added(`2${round}`, 60_000)
    await restart()
    const backAt = performance.now()
    await meanwhile
    await added(`3${round}`, WORKING_AGAIN_MS)
    await until('both are done', () => seen.has(`2${round}`) && seen.has(`3${round}`), WORKING_AGAIN_MS)
    expect(performance.now() - backAt).toBeLessThan(WORKING_AGAIN_MS)
  }
}

test('the Redis of the retry queue is killed twice: queue and worker go on within 10 s after it is back', async () => {
  const redis = await startTestRedis()
  stack.defer(() => redis.stop())
  const retries = await retriesOn({ url: redis.url, cluster: false, prefix: 'promostream' })
  await survivesDeath(retries, redis, async () => void (await redis.server.start()))
}, 120_000)

test('the cluster’s node of the retry queue is killed twice: queue and worker go on within 10 s after it is back', async () => {
  const cluster = await startCluster({ allowPartial: true })
  stack.defer(() => cluster.stop())
  const node = cluster.nodes[Math.floor((calculateSlot('{promostream}') * cluster.nodes.length) / 16_384)] as TestRedis
  const retries = await retriesOn({ url: cluster.url, cluster: true, prefix: '{promostream}' })
  await survivesDeath(retries, node, async () => {
    await cluster.restart(node)
    const isWhole = async () => String(await node.probe.cluster('INFO')).includes('cluster_state:ok')
    await until('its slots are served', () => isWhole().catch(() => false), 30_000)
  })
}, 180_000)
