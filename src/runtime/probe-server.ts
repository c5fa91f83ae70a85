import fastify from 'fastify'
import { listen } from './listen.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { createReadiness, type ReadinessCheck } from './readiness.ts'
import { type Service, service } from './service.ts'

export interface ProbeServerOptions {
  host: string
  port: number
  /** The setting that the port comes from. */
  portSetting: string
  metrics: Metrics
  checks: readonly ReadinessCheck[]
  logger: Logger
}

/** `GET /health` (the process lives), `/ready` (200, or 503 naming what is not), `/metrics` (Prometheus text). */
export function createProbeServer({ host, port, portSetting, metrics, checks, logger }: ProbeServerOptions): Service {
  const app = fastify({ logger: false, forceCloseConnections: true })
  const readiness = createReadiness({ checks, logger, metrics })
  app.get('/health', () => ({ status: 'ok' }))
  app.get('/ready', async (_request, reply) => {
    const answer = await readiness.read()
    return reply.code(answer.ready ? 200 : 503).send(answer)
  })
  app.get('/metrics', async (_request, reply) => {
    await readiness.read()
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  return service('probe-server', {
    start: () => listen(app, { host, port, settings: { host: 'PROBE_HOST', port: portSetting }, logger }),
    stop: () => app.close(),
  })
}
