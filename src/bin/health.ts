import type { Cluster, Redis } from 'ioredis'
import type { DatabaseConfig, RedisConfig } from '#config/schemas.ts'
import type { Database } from '#database/database.ts'
import { probeDatabase } from '#database/fresh-connection.ts'
import { createBrokerProbe, probeGroup } from '#kafka/broker-probe.ts'
import type { KafkaClient } from '#kafka/client.ts'
import type { TopicConsumer } from '#kafka/topic-consumer.ts'
import { registerLoopMetrics } from '#promotion/worker-metrics.ts'
import { CodedError } from '#runtime/errors.ts'
import { createEventLoopDelay } from '#runtime/event-loop-delay.ts'
import type { Logger } from '#runtime/logger.ts'
import { createLoopWatch, type FreshProbe, type Loop, type WatchedLoop } from '#runtime/loop-watch.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { createProbeServer } from '#runtime/probe-server.ts'
import type { ProcessLife } from '#runtime/process-life.ts'
import type { ReadinessCheck } from '#runtime/readiness.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { isReadOnly } from '#runtime/redis-watch.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { redisAddressOf, streamAddressOf } from './connections.ts'
import type { GiftParts } from './gift-parts.ts'

/** What makes a process «ready», and what ends one that stands still. */

interface HealthConfig extends DatabaseConfig, RedisConfig {
  LOOP_STALL_TIMEOUT_MS: number
  EVENT_LOOP_DELAY_MAX_MS: number
}

/** A loop of this process, with what it needs; `readyMs`: how old it may be while the process is ready. */
export interface HealthLoop extends WatchedLoop {
  readyMs: number
  /** What else keeps the process from being ready; throws with words for everybody. */
  assertAlive?(): void
}

interface HealthParts extends ProcessLife {
  config: HealthConfig
  metrics: Metrics
  logger: Logger
  /** The servers that this process needs, besides its loops. */
  dependencies: readonly ReadinessCheck[]
  loops: readonly HealthLoop[]
}

/** The checks of `/ready`, and the services that watch the process itself: they start last and stop first. */
export function healthOf({ config, metrics, logger, dependencies, loops, fatal, assertStarted }: HealthParts) {
  const delay = createEventLoopDelay({ metrics, maxMs: config.EVENT_LOOP_DELAY_MAX_MS })
  const watch = createLoopWatch({ loops, stallTimeoutMs: config.LOOP_STALL_TIMEOUT_MS, fatal, logger })
  const checks: ReadinessCheck[] = [
    { name: 'started', check: assertStarted, saysWhy: true },
    ...dependencies,
    ...loops.map(({ loop, readyMs, assertAlive }) => ({
      name: loop.name,
      check: () => {
        assertTurned(loop, readyMs)
        assertAlive?.()
      },
      saysWhy: true,
    })),
    { name: 'event-loop', check: () => delay.assertBelow(), saysWhy: true },
  ]
  return { checks, services: [delay, watch] }
}

interface GiftHealthParts extends ProcessLife {
  config: HealthConfig & { PROBE_HOST: string }
  logger: Logger
  loops: readonly HealthLoop[]
  port: number
  /** The setting that the port comes from. */
  portSetting: string
}

/** Health of a listener or worker: its probe server, which starts first, and what starts last. */
export function giftHealthOf(giftParts: GiftParts, { port, portSetting, ...parts }: GiftHealthParts) {
  const { config, logger, loops } = parts
  const metrics = giftParts.metrics()
  registerLoopMetrics(
    metrics,
    loops.map(({ loop }) => loop),
  )
  const broker = createBrokerProbe(giftParts.kafka())
  const dependencies = [
    databaseCheck(giftParts.database),
    redisCheck(giftParts.redis().client),
    streamsCheck(giftParts.stream().connection),
    { name: 'kafka', check: () => broker.ping() },
  ]
  const { checks, services } = healthOf({ ...parts, metrics, dependencies })
  const probes = createProbeServer({ host: config.PROBE_HOST, port, portSetting, metrics, checks, logger })
  return { probes: [probes, broker], watches: services }
}

function assertTurned({ ageMs }: Loop, readyMs: number): void {
  if (ageMs > readyMs) throw new CodedError('LOOP_STALE', `has not come round for ${Math.round(ageMs / 1000)} s`)
}

export function databaseCheck(database: Pick<Database, 'ping'>): ReadinessCheck {
  return { name: 'database', check: () => database.ping() }
}

/** A command to a client that is away would wait in its queue, one more for each time that somebody asks. */
export function redisCheck(client: Redis | Cluster): ReadinessCheck {
  return {
    name: 'redis',
    check: async () => {
      if (client.status !== 'ready') throw new CodedError('REDIS_AWAY', `the connection is ${client.status}`)
      if (isReadOnly(client)) throw new CodedError('REDIS_READ_ONLY', 'the server is a replica')
      await client.ping()
    },
  }
}

export function streamsCheck(connection: StreamConnection): ReadinessCheck {
  return {
    name: 'streams',
    check: async () => {
      if (!connection.isUsable) throw new CodedError('STREAM_AWAY', streamState(connection))
      await connection.ping()
    },
  }
}

const streamState = ({ state }: StreamConnection) =>
  state === 'read-only' ? 'the server is a replica' : `the connection is ${state}`

const FRESH_REDIS_MS = 4000

/** Questions over new connections: what a loop that stands still is measured against. */
export function freshProbesOf(config: DatabaseConfig & RedisConfig, logger: Logger) {
  const { DATABASE_URL: url, DATABASE_TIMEOUT_MS: timeoutMs } = config
  const database: FreshProbe = { name: 'database', probe: () => probeDatabase({ url, timeoutMs }) }
  const redis: FreshProbe = {
    name: 'redis',
    probe: async () => {
      const client = createRedisClient({ ...redisAddressOf(config), logger })
      await connectRedis(client, FRESH_REDIS_MS)
      client.disconnect()
    },
  }
  const streams: FreshProbe = {
    name: 'streams',
    probe: async () => {
      const connection = createStreamConnection({ ...streamAddressOf(config), name: 'promostream-probe', logger })
      try {
        await connection.ready()
        await connection.ping()
      } finally {
        await connection.close()
      }
    },
  }
  return { database, redis, streams }
}

const POLL_READY_MS = 15_000

/** A consumer's polling, measured against what its group and topic need. */
export function consumerLoop(
  consumer: TopicConsumer,
  kafka: KafkaClient,
  group: { groupId: string; topic: string },
): HealthLoop {
  const assertAlive = () => consumer.assertAlive()
  return { loop: consumer, readyMs: POLL_READY_MS, needs: [groupProbe(kafka, group)], assertAlive }
}

export function groupProbe(kafka: KafkaClient, { groupId, topic }: { groupId: string; topic: string }): FreshProbe {
  return { name: 'kafka', probe: () => probeGroup(kafka, groupId, topic) }
}
