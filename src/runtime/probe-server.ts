import fastify from 'fastify'
import { errorLine } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { type Service, service } from './service.ts'

/** A named question whose rejection means «not ready», with the reason in its message. */
export interface ReadinessCheck {
  name: string
  check(): Promise<void> | void
}

export interface ProbeServerOptions {
  host: string
  port: number
  metrics: Metrics
  checks: readonly ReadinessCheck[]
  /** One check may take this long, in ms. */
  checkTimeoutMs?: number
}

/** `GET /health` (the process lives), `/ready` (200, or 503 naming what is not), `/metrics` (Prometheus text). */
export function createProbeServer(options: ProbeServerOptions): Service {
  const app = fastify({ logger: false, forceCloseConnections: true })
  app.get('/health', () => ({ status: 'ok' }))
  app.get('/ready', async (_request, reply) => {
    const readiness = await readReadiness(options.checks, options.checkTimeoutMs ?? 2000)
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(options.metrics.registry.contentType).send(await options.metrics.registry.metrics()),
  )
  return service('probe-server', {
    start: async () => {
      await app.listen({ host: options.host, port: options.port })
    },
    stop: () => app.close(),
  })
}

interface Readiness {
  ready: boolean
  /** Name of each check → `ok`, or why not. */
  checks: Record<string, string>
}

/** Asks all checks at once; one that does not answer in time counts as failed. */
export async function readReadiness(checks: readonly ReadinessCheck[], timeoutMs: number): Promise<Readiness> {
  const answers = await Promise.all(
    checks.map(async ({ name, check }) => {
      const timeout = Promise.withResolvers<never>()
      const timer = setTimeout(() => timeout.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      try {
        await Promise.race([check(), timeout.promise])
        return [name, 'ok'] as const
      } catch (error) {
        return [name, errorLine(error)] as const
      } finally {
        clearTimeout(timer)
      }
    }),
  )
  return { ready: answers.every(([, answer]) => answer === 'ok'), checks: Object.fromEntries(answers) }
}
