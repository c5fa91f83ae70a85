import { adminSchema } from '#config/schemas.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { createProbeServer } from '#runtime/probe-server.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { service } from '#runtime/service.ts'
import { databaseOf } from './connections.ts'
import { runProcess } from './run-process.ts'

/** Health, readiness and metrics; the board, the pages and the API are built on it. */
await runProcess('admin', adminSchema, async (config, { logger, assertStarted }) => {
  const database = await databaseOf(config)
  const client = createRedisClient({ url: config.REDIS_URL, cluster: config.REDIS_CLUSTER, logger })
  const redis = service('redis', {
    start: () => connectRedis(client, 10_000),
    stop: async () => {
      client.disconnect()
    },
  })
  const probes = createProbeServer({
    host: config.ADMIN_HOST,
    port: config.ADMIN_PORT,
    metrics: createMetrics('admin'),
    checks: [
      { name: 'started', check: assertStarted },
      { name: 'database', check: () => database.ping() },
      { name: 'redis', check: async () => void (await client.ping()) },
    ],
  })
  return [probes, database, redis]
})
