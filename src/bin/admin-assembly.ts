import type { RouteOptions } from 'fastify'
import type { AdminConfig } from '#config/schemas.ts'
import { listen } from '#runtime/listen.ts'
import type { Logger } from '#runtime/logger.ts'
import type { ProcessLife } from '#runtime/process-life.ts'
import { type Service, service } from '#runtime/service.ts'
import { adminAppOf } from './admin-app.ts'
import { adminPartsOf, samplerOf } from './admin-parts.ts'
import { databaseCheck, healthOf, redisCheck, streamsCheck } from './health.ts'

interface AdminContext extends ProcessLife {
  logger: Logger
  /** Called with every route that the app has. */
  onRoute?(route: RouteOptions): void
}

/** The admin on its settings: its services in the order they start; they stop in the reverse one. */
export async function assembleAdmin(config: AdminConfig, context: AdminContext): Promise<Service[]> {
  const { logger, assertStarted, fatal, onRoute } = context
  const parts = await adminPartsOf(config, logger)
  const sampler = samplerOf(config, parts)
  const health = healthOf({
    ...{ config, logger, assertStarted, fatal, metrics: parts.metrics(), loops: [] },
    dependencies: [
      databaseCheck(parts.database),
      redisCheck(parts.redis().client),
      streamsCheck(parts.stream().connection),
    ],
  })
  const app = await adminAppOf(config, parts, {
    ...{ sampler, assertStarted, checks: health.checks },
    ...(onRoute === undefined ? {} : { onRoute }),
  })
  const { ADMIN_HOST: host, ADMIN_PORT: port } = config
  const server = service('admin-server', {
    start: () => listen(app, { host, port, settings: { host: 'ADMIN_HOST', port: 'ADMIN_PORT' }, logger }),
    stop: () => app.close(),
  })
  // The first to stop: a change that comes in must still find everything that it needs.
  const door = service('admin-requests', { start: async () => undefined, stop: () => app.close() })
  return [
    server,
    parts.database,
    parts.redis().service,
    parts.shared.service,
    parts.stream().service,
    parts.redisOwner(fatal),
    parts.retryQueue.life,
    parts.retryJobs(),
    parts.lateEvents,
    parts.lag,
    ...parts.payment,
    sampler,
    ...health.services,
    door,
  ]
}
