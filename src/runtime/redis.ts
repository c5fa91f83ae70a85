import { Cluster, Redis } from 'ioredis'
import { CodedError, errorLine } from './errors.ts'
import type { Logger } from './logger.ts'

export interface RedisOptions {
  url: string
  /** Treat the URL as a cluster's seed. */
  cluster: boolean
  /** Stands before every key by itself; BullMQ wants a client without it, and has a prefix of its own. */
  keyPrefix?: string
  logger: Logger
  /** Commands fail after this long, also while they wait for a connection; without it they wait for ever. */
  commandTimeoutMs?: number
}

/**
 * A connection for BullMQ and everything but streams, which have their own. `maxRetriesPerRequest: null` is what
 * BullMQ's workers ask for: commands wait for a Redis that is away.
 */
export function createRedisClient({
  url,
  cluster,
  keyPrefix,
  logger,
  commandTimeoutMs,
}: RedisOptions): Redis | Cluster {
  const timeout = commandTimeoutMs === undefined ? {} : { commandTimeout: commandTimeoutMs }
  const redisOptions = { maxRetriesPerRequest: null, ...timeout }
  const client = cluster
    ? new Cluster([url], { redisOptions, lazyConnect: true, ...prefixOf(keyPrefix) })
    : new Redis(url, { ...redisOptions, lazyConnect: true, ...prefixOf(keyPrefix) })
  client.on('error', (error: Error) => logger.debug({ err: error }, `redis: ${errorLine(error)}`))
  return client
}

/** BullMQ refuses a client that has one, be it empty. */
function prefixOf(keyPrefix = ''): { keyPrefix?: string } {
  return keyPrefix === '' ? {} : { keyPrefix }
}

const HASTY_COMMAND_MS = 1000

/**
 * A connection for what is better not done than done late: a command fails within a second, and at once while Redis is
 * away. Connects when it is told to.
 */
export function createHastyRedisClient({ url, cluster, keyPrefix, logger }: RedisOptions): Redis | Cluster {
  const redisOptions = {
    maxRetriesPerRequest: 0,
    commandTimeout: HASTY_COMMAND_MS,
    autoResendUnfulfilledCommands: false,
  }
  const hasty = { enableOfflineQueue: false, lazyConnect: true, ...prefixOf(keyPrefix) }
  const client = cluster
    ? new Cluster([url], { redisOptions, ...hasty })
    : new Redis(url, { ...redisOptions, ...hasty })
  client.on('error', (error: Error) => logger.debug({ err: error }, `redis: ${errorLine(error)}`))
  return client
}

/** Connects, or says in one line that Redis does not answer. */
export async function connectRedis(client: Redis | Cluster, timeoutMs: number): Promise<void> {
  const failure = Promise.withResolvers<never>()
  const timer = setTimeout(() => failure.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    // The first command of a lazy client connects it.
    await Promise.race([client.ping(), failure.promise])
  } catch (cause) {
    client.disconnect()
    throw new CodedError('REDIS_UNREACHABLE', `Redis (REDIS_URL) does not answer: ${errorLine(cause)}`, { cause })
  } finally {
    clearTimeout(timer)
  }
}
