import { Cluster, type Redis } from 'ioredis'
import { freePort } from '#local/servers/free-port.ts'
import type { StreamConnectionOptions } from '#stream/index.ts'
import { asOne, type LossyProxy, startLossyProxy } from './lossy-proxy.ts'
import { startTestRedis, type TestRedis, until } from './redis.ts'

export interface ClusterOptions {
  /** Of the default user, and of the nodes among themselves. */
  password?: string
  /** Who the connections under test are, with the same password. */
  user?: { name: string; acl: string }
  /** Slots of a node that is down keep the others from nothing. */
  allowPartial?: boolean
}

const SLOTS = 16_384
const NODES = 3

/** Three masters that share the slots, as `redis-cli --cluster create` makes them. */
export async function startCluster({ password, user, allowPartial = false }: ClusterOptions = {}) {
  const busPorts = await Promise.all(Array.from({ length: NODES }, freePort))
  const addUser = async (probe: Redis) => {
    if (user !== undefined) await probe.acl('SETUSER', user.name, 'on', `>${password}`, ...user.acl.split(' '))
  }
  const nodes = await Promise.all(busPorts.map(busPort => startNode(busPort, password, allowPartial)))
  for (const [index, { probe }] of nodes.entries()) {
    const border = (part: number) => Math.floor((SLOTS * part) / NODES)
    await probe.cluster('ADDSLOTSRANGE', border(index), border(index + 1) - 1)
    await addUser(probe)
    if (index > 0) await meet(probe, nodes[0] as TestRedis, busPorts[0] as number)
  }
  for (const { probe } of nodes) await until('the cluster is whole', () => isWhole(probe), 20_000)
  const secret = password === undefined ? {} : { password }
  const { url } = nodes[0] as TestRedis
  const probe = new Cluster([url], { clusterRetryStrategy: () => 50, redisOptions: secret })
  probe.on('error', () => undefined)
  const options: StreamConnectionOptions = { url: asUser(url, user?.name, password), cluster: true }
  /** Announced once, for as long as the cluster lives: nodes take seconds to tell each other. */
  const disturbedWay = async () => {
    const proxies = await Promise.all(nodes.map(node => startLossyProxy(node.url)))
    await announce(nodes, proxies)
    const whole = asOne(proxies)
    stopWay = whole.stop
    const seed = asUser((proxies[0] as LossyProxy).url, user?.name, password)
    return Object.assign(whole, { stop: async () => undefined, options: { url: seed, cluster: true } })
  }
  let way: ReturnType<typeof disturbedWay> | undefined
  let stopWay = (): Promise<void> => Promise.resolve()
  return {
    url: options.url,
    options,
    nodes,
    probe: probe as unknown as Redis,
    server: (nodes[0] as TestRedis).server,
    /** Starts a node that was killed; its users are not kept over a restart. */
    restart: async ({ server, probe }: TestRedis) => {
      await server.start()
      await until(
        'the node is back',
        () =>
          addUser(probe).then(
            () => true,
            () => false,
          ),
        20_000,
      )
    },
    proxied: () => {
      way ??= disturbedWay()
      return way
    },
    onEach: async (command: (node: Redis) => Promise<unknown>) =>
      void (await Promise.all(nodes.map(node => command(node.probe)))),
    stop: async () => {
      probe.disconnect()
      await stopWay()
      await Promise.all(nodes.map(node => node.stop()))
    },
  }
}

async function startNode(busPort: number, password: string | undefined, allowPartial: boolean): Promise<TestRedis> {
  const node = await startTestRedis({
    settings: () => ({
      'cluster-enabled': 'yes',
      'cluster-port': String(busPort),
      'cluster-node-timeout': '2000',
      ...(allowPartial ? { 'cluster-require-full-coverage': 'no' } : {}),
      ...(password === undefined ? {} : { requirepass: password, masterauth: password }),
    }),
  })
  if (password === undefined) return node
  // The probe is on its way already; its next attempt knows the password.
  node.probe.options.password = password
  await until('the probe is let in', () =>
    node.probe.auth(password).then(
      () => node.probe.status === 'ready',
      () => false,
    ),
  )
  return node
}

/** Where clients that ask are sent: each node tells the others, who tell it on. */
async function announce(nodes: readonly TestRedis[], ways: readonly { url: string }[]): Promise<void> {
  for (const [index, { probe }] of nodes.entries())
    await probe.config('SET', 'cluster-announce-port', new URL((ways[index] as { url: string }).url).port)
  for (const { probe } of nodes)
    await until(
      'every node is announced',
      async () => {
        const known = String(await probe.cluster('NODES'))
        return ways.every(({ url }) => known.includes(`127.0.0.1:${new URL(url).port}@`))
      },
      30_000,
    )
}

function asUser(url: string, user = '', password = ''): string {
  const whole = new URL(url)
  whole.username = user
  whole.password = encodeURIComponent(password)
  return whole.href
}

async function meet(probe: Redis, other: TestRedis, busPort: number): Promise<void> {
  const { hostname, port } = new URL(other.url)
  await probe.call('CLUSTER', 'MEET', hostname, port, busPort)
}

async function isWhole(probe: Redis): Promise<boolean> {
  const info = String(await probe.cluster('INFO'))
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${NODES}`)
}
