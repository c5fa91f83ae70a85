import type { FastifyPluginAsync } from 'fastify'
import type { Logger } from '#runtime/logger.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { createReadiness, type ReadinessCheck } from '#runtime/readiness.ts'

/** `/health` and `/ready` for whoever supervises us, `/metrics` for a user (Prometheus sends HTTP Basic). */
export function probeRoutes(deps: {
  metrics: Metrics
  checks: readonly ReadinessCheck[]
  logger: Logger
}): FastifyPluginAsync {
  const readiness = createReadiness(deps)
  return async app => {
    app.get('/health', { config: { isOpen: true } }, () => ({ status: 'ok' }))
    app.get('/ready', { config: { isOpen: true } }, async (_request, reply) => {
      const answer = await readiness.read()
      return reply.code(answer.ready ? 200 : 503).send(answer)
    })
    app.get('/metrics', async (_request, reply) => {
      await readiness.read()
      return reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics())
    })
  }
}
