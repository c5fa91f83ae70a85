import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { examineRedis } from '#bin/doctor/redis.ts'
import { until } from '../../../support/redis.ts'
import { startCluster } from '../../../support/redis-cluster.ts'

let cluster: Awaited<ReturnType<typeof startCluster>>

beforeAll(async () => {
  const user = { name: 'promostream', acl: '~* &* +@all' }
  cluster = await startCluster({ password: 'p@ss:w/rd %', user, allowPartial: true })
}, 60_000)
afterAll(() => cluster.stop(), 30_000)

const look = () => examineRedis({ area: 'streams', setting: 'REDIS_URL', url: cluster.url, cluster: true })
const wrong = async () => (await look()).filter(({ status }) => status !== 'ok')

test('every master of a cluster is looked at, not the seed alone; what is wrong names it', async () => {
  const found = await look()
  expect(found.every(({ status, detail }) => status === 'ok' && detail.endsWith('(3 masters)'))).toBe(true)
  expect(found.map(({ check }) => check)).toEqual(['connection', 'eviction', 'persistence', 'commands'])

  const other = cluster.nodes[1]!
  const address = new URL(other.url).host
  await other.probe.config('SET', 'maxmemory-policy', 'allkeys-lru')
  expect(await wrong()).toEqual([
    expect.objectContaining({
      check: 'eviction',
      status: 'failed',
      detail: expect.stringContaining(`${address}: allkeys-lru`),
    }),
  ])
  await other.probe.config('SET', 'maxmemory-policy', 'noeviction')
  await other.probe.config('SET', 'appendonly', 'no')
  expect(await wrong()).toEqual([
    expect.objectContaining({
      check: 'persistence',
      status: 'warning',
      detail: expect.stringContaining(`${address}: no append`),
    }),
  ])
  await other.probe.config('SET', 'appendonly', 'yes')
})

test('a master that is away, and slots that nobody has', async () => {
  const last = cluster.nodes[2]!
  const address = new URL(last.url).host
  last.server.signal('SIGKILL')
  await last.server.gone()
  expect(await wrong()).toEqual([
    expect.objectContaining({
      check: 'connection',
      status: 'failed',
      detail: expect.stringMatching(`^${address}: .*ECONNREFUSED`),
    }),
  ])
  await cluster.restart(last)
  await until('it is whole again', async () => (await wrong()).length === 0, 20_000)

  const slot = 16_383
  for (const { probe } of cluster.nodes) await probe.cluster('DELSLOTS', slot).catch(() => undefined)
  expect(await wrong()).toEqual([
    expect.objectContaining({
      check: 'cluster',
      status: 'failed',
      detail: expect.stringContaining('16383 of 16384 slots'),
    }),
  ])
}, 60_000)
