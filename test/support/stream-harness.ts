import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals'
import {
  createStreamConnection,
  type StreamConnection,
  type StreamHandler,
  StreamPool,
  StreamQueue,
  StreamWorker,
  type StreamWorkerOptions,
} from '#stream/index.ts'
import { startTestRedis, type TestRedis } from './redis.ts'

/** What the tests of the stream framework share: a Redis a file, a stream name a test, and workers that are closed after it. */

export type Job = { n: string }

export const GROUP = 'workers'
export let redis: TestRedis
export let connection: StreamConnection
/** The stream of the test that runs. */
export let name = ''
export let workers: StreamWorker<Job>[] = []
let pools: StreamPool[] = []
let counter = 0

/** Called once at the top of a test file. */
export function useRedis(): void {
  beforeAll(async () => {
    redis = await startTestRedis()
    connection = createStreamConnection({ url: redis.url })
    await connection.ready()
  })
  afterAll(async () => {
    await connection.close()
    await redis.stop()
  })
  beforeEach(() => {
    counter += 1
    name = `stream-${counter}`
  })
  afterEach(async () => {
    await Promise.all(workers.map(worker => worker.close(true)))
    await Promise.all(pools.map(pool => pool.close()))
    workers = []
    pools = []
  })
}

export function work(
  handler: StreamHandler<Job>,
  options: Partial<StreamWorkerOptions<Job>> = {},
  stream = name,
): StreamWorker<Job> {
  const worker = new StreamWorker<Job>(stream, handler, { connection, group: GROUP, concurrency: 10, ...options })
  workers.push(worker)
  return worker
}

export function poolOf(maxInFlight: number): StreamPool {
  const pool = new StreamPool({ connection, maxInFlight })
  pools.push(pool)
  return pool
}

export function queueOf(stream = name): StreamQueue<Job> {
  return new StreamQueue<Job>(stream, { connection, group: GROUP })
}

export function jobs(count: number, from = 0): Job[] {
  return Array.from({ length: count }, (_, index) => ({ n: String(from + index) }))
}

export async function pendingOf(stream = name): Promise<number> {
  return ((await redis.probe.xpending(stream, GROUP).catch(() => [0])) as [number])[0]
}
