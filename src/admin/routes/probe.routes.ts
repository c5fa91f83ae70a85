import type { FastifyPluginAsync } from 'fastify'
import type { Metrics } from '#runtime/metrics.ts'
import { type ReadinessCheck, readReadiness } from '#runtime/probe-server.ts'

const CHECK_TIMEOUT_MS = 2000

/** `/health` and `/ready` for whoever supervises us, `/metrics` for a user (Prometheus sends HTTP Basic). */
export function probeRoutes(deps: { metrics: Metrics; checks: readonly ReadinessCheck[] }): FastifyPluginAsync {
  return async app => {
    app.get('/health', { config: { isOpen: true } }, () => ({ status: 'ok' }))
    app.get('/ready', { config: { isOpen: true } }, async (_request, reply) => {
      const readiness = await readReadiness(deps.checks, CHECK_TIMEOUT_MS)
      return reply.code(readiness.ready ? 200 : 503).send(readiness)
    })
    app.get('/metrics', async (_request, reply) =>
      reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics()),
    )
  }
}
