import type { ConnectionOptions } from 'node:tls'
import type { Cluster, Redis } from 'ioredis'
import { CodedError, errorLine } from './errors.ts'
import type { Logger } from './logger.ts'
import { createRedis } from './redis-client.ts'
import { logOutages } from './redis-outage.ts'
import { describeRefusal, lastReasonOf } from './redis-refusal.ts'
import { parseRedisUrl } from './redis-url.ts'
import { within } from './within.ts'

/** Rejects a URL before anything connects, in one line that names its setting. */
export function assertRedisUrl(setting: string, url: string, cluster: boolean): void {
  try {
    parseRedisUrl(url, { cluster })
  } catch (cause) {
    throw new CodedError('CONFIG', `${setting} ${errorLine(cause)}`, { cause })
  }
}

export interface RedisOptions {
  url: string
  /** Treat the URL as a cluster's seed. */
  cluster: boolean
  /** What `tls.connect` takes, for `rediss://`. */
  tls?: ConnectionOptions
  /** Stands before every key by itself; BullMQ wants a client without it, and has a prefix of its own. */
  keyPrefix?: string
  /** The variable that the URL comes from, for log lines. Default `REDIS_URL`. */
  setting?: string
  logger: Logger
  /** Commands fail after this long, also while they wait for a connection; without it they wait for ever. */
  commandTimeoutMs?: number
}

/** BullMQ's workers block for `BULL_BLOCK_SECONDS` at most; a server that is silent for longer than this is gone. */
const BULL_SILENCE_MS = 4500

/**
 * How long a BullMQ worker waits for a job in one command, in s. Its connection cannot be asked meanwhile whether it is
 * still good for anything.
 */
export const BULL_BLOCK_SECONDS = 2

/**
 * A connection for BullMQ and everything but streams, which have their own. `maxRetriesPerRequest: null` is what
 * BullMQ's workers ask for: commands wait for a Redis that is away.
 */
export function createRedisClient(options: RedisOptions): Redis | Cluster {
  const { logger, commandTimeoutMs, setting = 'REDIS_URL' } = options
  const timeout = commandTimeoutMs === undefined ? {} : { commandTimeout: commandTimeoutMs }
  const behaviour = { maxRetriesPerRequest: null, retryStrategy: reconnectPauseMs, ...timeout }
  const client = createRedis({ ...addressOf(options), behaviour, silenceMs: BULL_SILENCE_MS })
  logOutages(client, setting, logger)
  return client
}

/** BullMQ refuses a client that has a prefix, be it empty. */
function addressOf({ url, cluster, tls, keyPrefix = '' }: RedisOptions) {
  return { url, cluster, ...(tls === undefined ? {} : { tls }), ...(keyPrefix === '' ? {} : { keyPrefix }) }
}

const FAIL_FAST_COMMAND_MS = 1000

/**
 * A connection for what is better not done than done late: a command fails within a second, and at once while Redis is
 * away. Connects when it is told to.
 */
export function createFailFastRedisClient(options: RedisOptions): Redis | Cluster {
  const behaviour = {
    maxRetriesPerRequest: 0,
    commandTimeout: FAIL_FAST_COMMAND_MS,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    retryStrategy: reconnectPauseMs,
  }
  const client = createRedis({ ...addressOf(options), behaviour })
  client.on('error', (error: Error) => options.logger.debug({ err: error }, `redis: ${errorLine(error)}`))
  return client
}

const MAX_RECONNECT_PAUSE_MS = 1000
const MAX_RECONNECT_EXPONENT = 10

/** Pause before the next attempt to connect, in ms: grows from 50 to 1,000. */
export function reconnectPauseMs(attempt: number): number {
  return Math.min(MAX_RECONNECT_PAUSE_MS, 25 * 2 ** Math.min(attempt, MAX_RECONNECT_EXPONENT))
}

/** A start that cannot go on says so within 5 s: so long it waits for Redis, in ms. */
export const REDIS_START_MS = 3000

/** Connects, or says in one line what Redis says, or that it does not answer. */
export async function connectRedis(client: Redis | Cluster, timeoutMs: number, setting = 'REDIS_URL'): Promise<void> {
  const reason = lastReasonOf(client)
  const failure = Promise.withResolvers<never>()
  const onLate = () => {
    throw reason.error ?? new Error(`no answer within ${timeoutMs} ms`)
  }
  reason.onFinal(failure.reject)
  try {
    // The first command of a lazy client connects it.
    await within(Promise.race([client.ping(), failure.promise]), timeoutMs, onLate)
  } catch (cause) {
    client.disconnect()
    const why = reason.error ?? cause
    throw new CodedError('REDIS_UNREACHABLE', describeRefusal(client, setting, why), { cause: why })
  } finally {
    reason.stop()
  }
}
