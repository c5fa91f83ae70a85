import type { DatabaseConfig, KafkaConfig, RedisConfig } from '#config/schemas.ts'
import { type Database, openDatabase } from '#database/database.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import type { Logger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { service } from '#runtime/service.ts'
import { createStreamConnection } from '#stream/index.ts'

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
    ssl: config.KAFKA_SSL,
    ...(mechanism === undefined ? {} : { sasl: { mechanism, username: username ?? '', password: password ?? '' } }),
    logger,
  })
}

/** BullMQ's connection; in a cluster its keys need a hash tag. */
export function retryRedisOf(config: RedisConfig, logger: Logger, commandTimeoutMs?: number) {
  const { REDIS_URL: url, REDIS_CLUSTER: cluster } = config
  const client = createRedisClient({
    url,
    cluster,
    logger,
    ...(commandTimeoutMs === undefined ? {} : { commandTimeoutMs }),
  })
  return {
    client,
    prefix: config.REDIS_CLUSTER ? '{promostream}' : 'promostream',
    service: service('redis', {
      start: () => connectRedis(client, 10_000),
      stop: async () => {
        client.disconnect()
      },
    }),
  }
}

export function streamConnectionOf(config: RedisConfig, logger: Logger) {
  const connection = createStreamConnection({
    url: config.REDIS_STREAM_URL ?? config.REDIS_URL,
    cluster: config.REDIS_CLUSTER,
    name: 'promostream-stream',
    logger,
  })
  const life = service('stream-connection', { start: () => connection.ready(), stop: () => connection.close() })
  return { connection, service: life }
}
