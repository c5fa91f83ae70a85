import type { DatabaseConfig, KafkaConfig, RedisConfig } from '#config/schemas.ts'
import { hasTlsFiles, tlsOf } from '#config/tls-files.ts'
import { type Database, openDatabase } from '#database/database.ts'
import { createProcessRepository } from '#database/processes.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { createRedisOwner, type OwnedRedis } from '#promotion/redis-owner.ts'
import type { Logger } from '#runtime/logger.ts'
import { assertRedisUrl, connectRedis, createRedisClient, REDIS_START_MS } from '#runtime/redis.ts'
import { assertRedisRights } from '#runtime/redis-rights.ts'
import { type Service, service } from '#runtime/service.ts'
import { createStreamConnection } from '#stream/index.ts'
import { type RedisUser, redisRightsOf, streamRightsOf } from './redis-rights.ts'

/** From settings to connections, and nothing above them: what a command of the CLI may need. */

export function databaseOf(config: DatabaseConfig): Promise<Database> {
  const { DATABASE_URL: url, DATABASE_POOL_MAX: poolMax, DATABASE_TIMEOUT_MS: timeoutMs } = config
  return openDatabase({ url, poolMax, timeoutMs })
}

export function kafkaOf(config: KafkaConfig, logger: Logger): KafkaClient {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = config
  return createKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: config.KAFKA_CLIENT_ID,
    ssl: config.KAFKA_SSL && (hasTlsFiles('KAFKA', config) ? tlsOf('KAFKA', config) : true),
    ...(mechanism === undefined ? {} : { sasl: { mechanism, username: username ?? '', password: password ?? '' } }),
    logger,
  })
}

export const streamSettingOf = (config: Pick<RedisConfig, 'REDIS_STREAM_URL'>) =>
  config.REDIS_STREAM_URL === undefined ? 'REDIS_URL' : 'REDIS_STREAM_URL'

/** Before anything connects: every part of a URL holds, or is refused by name. */
export function assertRedisUrls(config: RedisConfig): void {
  assertRedisUrl('REDIS_URL', config.REDIS_URL, config.REDIS_CLUSTER)
  if (config.REDIS_STREAM_URL !== undefined)
    assertRedisUrl('REDIS_STREAM_URL', config.REDIS_STREAM_URL, config.REDIS_CLUSTER)
}

type RedisAddressConfig = Pick<
  RedisConfig,
  'REDIS_URL' | 'REDIS_CLUSTER' | 'REDIS_CA_FILE' | 'REDIS_CERT_FILE' | 'REDIS_KEY_FILE'
>

/** What every connection to `REDIS_URL` has in common; its TLS holds for `REDIS_STREAM_URL` too. */
export function redisAddressOf(config: RedisAddressConfig, url = config.REDIS_URL) {
  return { url, cluster: config.REDIS_CLUSTER, ...redisTlsOf(config) }
}

export const streamAddressOf = (config: RedisAddressConfig & Pick<RedisConfig, 'REDIS_STREAM_URL'>) =>
  redisAddressOf(config, config.REDIS_STREAM_URL)

function redisTlsOf(config: RedisAddressConfig) {
  return hasTlsFiles('REDIS', config) ? { tls: tlsOf('REDIS', config) } : {}
}

interface RetryRedisOptions {
  /** For who cannot wait for a Redis that is away, in ms. */
  commandTimeoutMs?: number | undefined
  /** Whose rights are asked for at the start; without it, nobody's. */
  user?: RedisUser
}

/** BullMQ's connection; in a cluster its keys need a hash tag. */
export function retryRedisOf(config: RedisConfig, logger: Logger, { commandTimeoutMs, user }: RetryRedisOptions = {}) {
  const client = createRedisClient({
    ...redisAddressOf(config),
    logger,
    ...(commandTimeoutMs === undefined ? {} : { commandTimeoutMs }),
  })
  const prefix = `${config.REDIS_KEY_PREFIX}${config.REDIS_CLUSTER ? '{promostream}' : 'promostream'}`
  return {
    client,
    prefix,
    service: service('redis', {
      start: async () => {
        await connectRedis(client, REDIS_START_MS)
        if (user !== undefined) await assertRedisRights(client, 'REDIS_URL', redisRightsOf(user, config, prefix))
      },
      stop: async () => {
        client.disconnect()
      },
    }),
  }
}

/** For what instances tell each other; our prefix stands before its keys by itself. */
export function sharedRedisOf(config: RedisConfig, logger: Logger, commandTimeoutMs: number) {
  const { REDIS_KEY_PREFIX: keyPrefix } = config
  const client = createRedisClient({ ...redisAddressOf(config), keyPrefix, logger, commandTimeoutMs })
  const life = service('shared-redis', {
    start: () => connectRedis(client, REDIS_START_MS),
    stop: async () => client.disconnect(),
  })
  return { client, service: life }
}

/** Longest wait for the mark of the streams' Redis, in ms. */
const MARK_TIMEOUT_MS = 2000

export function streamConnectionOf(config: RedisConfig, logger: Logger, user?: RedisUser) {
  const connection = createStreamConnection({
    ...streamAddressOf(config),
    name: 'promostream-stream',
    setting: streamSettingOf(config),
    logger,
  })
  // The framework's connection is its own. What is asked of the server beside it goes another way, from its first command on.
  const setting = streamSettingOf(config)
  const marks = createRedisClient({
    ...streamAddressOf(config),
    setting,
    logger,
    commandTimeoutMs: MARK_TIMEOUT_MS,
  })
  const life = service('stream-connection', {
    start: async () => {
      await connection.ready()
      if (user === undefined) return
      await connectRedis(marks, REDIS_START_MS, setting)
      await assertRedisRights(marks, setting, streamRightsOf(user, config))
    },
    stop: async () => {
      marks.disconnect()
      await connection.close()
    },
  })
  return { connection, marks, service: life }
}

type RetryRedis = ReturnType<typeof retryRedisOf>

export interface OwnerContext {
  database: Database
  redis: RetryRedis
  stream: ReturnType<typeof streamConnectionOf>
  logger: Logger
  fatal(error: Error): void
}

/** Starts after database and Redis, before anything writes to either: refuses a Redis that belongs to others. */
export function redisOwnerOf(kind: string, config: RedisConfig, context: OwnerContext): Service {
  const { database, redis, stream, logger, fatal } = context
  return createRedisOwner({
    kind,
    keyPrefix: config.REDIS_KEY_PREFIX,
    processes: createProcessRepository(database.kysely),
    redis: ownedRedis(config, redis, stream),
    logger,
    onFatal: fatal,
  })
}

/** One server is asked once. */
export function ownedRedis(config: RedisConfig, redis: RetryRedis, stream: OwnerContext['stream']): OwnedRedis[] {
  const owned: OwnedRedis[] = [{ variable: 'REDIS_URL', client: redis.client }]
  const isOther = config.REDIS_STREAM_URL !== undefined && config.REDIS_STREAM_URL !== config.REDIS_URL
  return isOther ? [...owned, { variable: 'REDIS_STREAM_URL', client: stream.marks }] : owned
}

/** Creates the topics that are not there, before anything reads or writes them. */
export function topicsOf(config: KafkaConfig, kafka: KafkaClient, names: readonly string[]): Service {
  return service('topics', {
    start: () => ensureTopics(kafka, names, config.KAFKA_TOPIC_PARTITIONS),
    stop: async () => undefined,
  })
}
