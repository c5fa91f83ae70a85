import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { parseRedisUrl } from './redis-url.ts'
import { createReconnectOnError, SILENCE_MS, watchRedis } from './redis-watch.ts'

export interface RedisClientOptions {
  url: string
  /** Treat the URL as a cluster's seed. */
  cluster: boolean
  /** What `tls.connect` takes, for `rediss://`. */
  tls?: ConnectionOptions
  /** How the connection behaves; where it leads is the URL's. */
  behaviour: Pick<
    RedisOptions,
    | 'autoResendUnfulfilledCommands'
    | 'commandTimeout'
    | 'connectionName'
    | 'enableOfflineQueue'
    | 'maxRetriesPerRequest'
    | 'retryStrategy'
  >
  /** Before every key. */
  keyPrefix?: string
  /** How long the server may be silent before its socket is replaced, in ms. */
  silenceMs?: number
}

/** What holds for a server alone and for each node alike. */
type SharedOptions = Omit<
  RedisOptions,
  'replyMapping' | 'himportFieldsets' | 'host' | 'port' | 'path' | 'readOnly' | 'sentinels'
>

const CONNECT_TIMEOUT_MS = 2500
/** Of a socket that is hung up on, until it is destroyed: a peer that is gone replies to no FIN. */
const DISCONNECT_TIMEOUT_MS = 500

/**
 * The one way from a URL to a client: user, password, TLS, database and family hold for the seed and for every node, and
 * each socket is watched. Does not connect by itself. Throws a TypeError that says what is wrong with the URL.
 */
export function createRedis(options: RedisClientOptions): Redis | Cluster {
  const { url, cluster, tls, behaviour, keyPrefix, silenceMs = SILENCE_MS } = options
  const { host, port, isTls, db, ...as } = parseRedisUrl(url, { cluster })
  const shared: SharedOptions = {
    ...as,
    ...(isTls ? { tls: { ...tls } } : {}),
    ...behaviour,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    ...(keyPrefix === undefined ? {} : { keyPrefix }),
  }
  if (cluster) return createCluster({ host, port }, shared, silenceMs)
  return watched(
    new Redis({ ...shared, host, port, db, lazyConnect: true, reconnectOnError: createReconnectOnError() }),
    silenceMs,
  )
}

/**
 * ioredis does not end a client that is disconnected in the pause before its next attempt to connect: whoever waits for that
 * end (BullMQ, when it closes) and every command that waits for the connection would wait for ever. An attempt that is
 * called off as soon as it has begun ends it.
 */
function disconnectOf(redis: Redis): Redis['disconnect'] {
  return (reconnect = false) => {
    if (!reconnect && redis.status === 'reconnecting') redis.connect().catch(() => undefined)
    Redis.prototype.disconnect.call(redis, reconnect)
  }
}

/** BullMQ creates its blocking client by `duplicate`: those are watched as well. */
function watched(redis: Redis, silenceMs: number): Redis {
  watchRedis(redis, { silenceMs })
  const duplicate = (override: Partial<RedisOptions> = {}) => {
    const own = { ...redis.options, ...override, reconnectOnError: createReconnectOnError() }
    return watched(new Redis(own as RedisOptions & { replyMapping: 'legacy' }), silenceMs)
  }
  return Object.assign(redis, { duplicate, disconnect: disconnectOf(redis) })
}

/**
 * Nothing is sent again behind the caller's back (one XADD would become two): what was in flight on a node that is lost
 * rejects, and its caller decides.
 */
function createCluster(seed: { host: string; port: number }, shared: SharedOptions, silenceMs: number): Cluster {
  const { enableOfflineQueue = true, retryStrategy, ...redisOptions } = shared
  const client = new Cluster([seed], {
    redisOptions,
    enableOfflineQueue,
    lazyConnect: true,
    ...(shared.autoResendUnfulfilledCommands === false ? { retryDelayOnFailover: 0 } : {}),
    ...(typeof retryStrategy === 'function' ? { clusterRetryStrategy: attempt => retryStrategy(attempt) } : {}),
  })
  return watchedNodes(client, silenceMs)
}

function watchedNodes(client: Cluster, silenceMs: number): Cluster {
  client.on('+node', node => watchRedis(node, { silenceMs, allowReplica: true }))
  const duplicate: Cluster['duplicate'] = (...args) =>
    watchedNodes(Cluster.prototype.duplicate.apply(client, args), silenceMs) as never
  return Object.assign(client, { duplicate })
}
