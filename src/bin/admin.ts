import type { FastifyInstance } from 'fastify'
import { createAdminApp, SESSION_MAX_AGE_SECONDS } from '#admin/app.ts'
import { assetRoutes } from '#admin/routes/asset.routes.ts'
import { loginRoutes } from '#admin/routes/login.routes.ts'
import { probeRoutes } from '#admin/routes/probe.routes.ts'
import { createRevokedSessions } from '#admin/security/revoked-sessions.ts'
import { createUsers } from '#admin/security/users.ts'
import { adminSchema } from '#config/schemas.ts'
import { createAdminAuditRepository } from '#database/admin-audit.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { service } from '#runtime/service.ts'
import { databaseOf, retryRedisOf } from './foundation.ts'
import { runProcess } from './run-process.ts'

/** What people and programs see and steer an installation by. */
await runProcess('admin', adminSchema, async (config, { logger, assertStarted }) => {
  const metrics = createMetrics('admin')
  const database = await databaseOf(config)
  const redis = retryRedisOf(config, logger)
  const users = createUsers(config.ADMIN_USERS ?? [])
  if (config.ADMIN_USERS === undefined) logger.warn('ADMIN_USERS is not set: nobody can log in')
  const revoked = createRevokedSessions(redis.client, SESSION_MAX_AGE_SECONDS)
  const checks = [
    { name: 'started', check: assertStarted },
    { name: 'database', check: () => database.ping() },
    { name: 'redis', check: async () => void (await redis.client.ping()) },
  ]
  const app = await createAdminApp({
    users,
    revoked,
    audit: createAdminAuditRepository(database.kysely),
    logger,
    routes: [probeRoutes({ metrics, checks }), assetRoutes, loginRoutes({ users, revoked })],
  })
  return [serverOf(app, config), database, redis.service]
})

function serverOf(
  app: FastifyInstance,
  { ADMIN_HOST: host, ADMIN_PORT: port }: { ADMIN_HOST: string; ADMIN_PORT: number },
) {
  return service('admin-server', {
    start: async () => {
      await app.listen({ host, port })
    },
    stop: () => app.close(),
  })
}
