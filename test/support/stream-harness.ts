import { afterAll, afterEach, beforeAll, beforeEach, test } from '@jest/globals'
import {
  type StreamConnection,
  type StreamConnectionOptions,
  type StreamHandler,
  StreamPool,
  StreamQueue,
  StreamWorker,
  type StreamWorkerOptions,
} from '#stream/index.ts'
import { until } from './redis.ts'
import { type Flavour, type FlavouredRedis, startFlavour } from './redis-flavours.ts'

/** What the tests of the stream framework share: a Redis a file, a stream name a test, and workers that are closed after it. */

export type Job = { n: string }

export const GROUP = 'workers'
export let redis: FlavouredRedis
export let connection: StreamConnection
/** The stream of the test that runs. */
export let name = ''
export let workers: StreamWorker<Job>[] = []
/** Consumers that were closed with leased entries: they stay in the group until they are swept. */
export const abandoned = new Set<string>()
let pools: StreamPool[] = []
let counter = 0
let flavour: Flavour = 'installed'

/** Called once at the top of a test file. After each test nothing may be left of it: no timer, no socket, no consumer. */
export function useRedis(wanted: Flavour = 'installed'): void {
  let timers = 0
  flavour = wanted
  beforeAll(async () => {
    redis = await startFlavour(wanted)
    connection = redis.connect(redis.options)
    await connection.ready()
    await redis.probe.ping()
  }, 120_000)
  afterAll(async () => {
    await connection?.close()
    await redis?.stop()
  })
  beforeEach(() => {
    counter += 1
    name = `stream-${counter}`
    timers = timersNow()
  })
  afterEach(async () => {
    const streams = new Set([name, ...workers.map(worker => worker.name)])
    await Promise.all(workers.map(worker => worker.close(true)))
    await Promise.all(pools.map(pool => pool.close()))
    workers = []
    pools = []
    await until('no timer is left', () => timersNow() <= timers, 6000)
    await until('no socket is left', async () => (await strangers()) === 0)
    for (const stream of streams)
      await until('no idle consumer is left', async () => (await idleConsumers(stream)) === 0)
  })
}

/** What the server calls them. */
export const idsOf = (added: readonly { id: string }[]): string[] => added.map(({ id }) => id)

/** Titles of the tests that the server inside the process cannot show. */
export const notApplicable: string[] = []

/** A test of what only a server over a socket has: for the one inside the process it is not applicable. */
export function testOnServers(title: string, run: () => Promise<void>): void {
  if (flavour !== 'memory') test(title, run)
  else notApplicable.push(title)
}

function timersNow(): number {
  return process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
}

/** Connections to the servers that are neither the shared one nor the probe's. */
async function strangers(): Promise<number> {
  let count = 0
  await redis.onEach(async node => {
    const clients = String(await node.client('LIST', 'TYPE', 'NORMAL'))
      .trim()
      .split('\n')
    count += clients.filter(line => / name=other/.test(line)).length
  })
  return count
}

async function idleConsumers(stream: string): Promise<number> {
  const rows = (await redis.probe.xinfo('CONSUMERS', stream, GROUP).catch(() => [])) as unknown[][]
  const own = rows.filter(row => String(row[1]).includes(`-${process.pid}-`) && !abandoned.has(String(row[1])))
  return own.filter(row => row[row.indexOf('pending') + 1] === 0).length
}

export function work(
  handler: StreamHandler<Job>,
  options: Partial<StreamWorkerOptions<Job>> = {},
  stream = name,
): StreamWorker<Job> {
  const worker = new StreamWorker<Job>(stream, handler, {
    connection,
    group: GROUP,
    codec: 'flat',
    concurrency: 10,
    ...options,
  })
  workers.push(worker)
  return worker
}

export function poolOf(maxInFlight: number): StreamPool {
  const pool = new StreamPool({ connection, maxInFlight })
  pools.push(pool)
  return pool
}

export function queueOf(stream = name): StreamQueue<Job> {
  return new StreamQueue<Job>(stream, { connection, group: GROUP, codec: 'flat' })
}

export function jobs(count: number, from = 0): Job[] {
  return Array.from({ length: count }, (_, index) => ({ n: String(from + index) }))
}

/** Another connection to the same servers, whose sockets must be gone when its test is over. */
export function otherConnection(options: Partial<StreamConnectionOptions> = {}): StreamConnection {
  return redis.connect({ ...redis.options, name: 'other', ...options })
}

export async function pendingOf(stream = name): Promise<number> {
  return ((await redis.probe.xpending(stream, GROUP).catch(() => [0])) as [number])[0]
}

/** Every connection to the servers is cut, but the probe's own. */
export function cutConnections(): Promise<void> {
  return redis.onEach(node => node.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'))
}
