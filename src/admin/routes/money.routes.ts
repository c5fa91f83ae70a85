import type { FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'

export interface MoneyRoutesDeps {
  /** Lifts the refusal for all instances; undefined: there was none. */
  clearRefusal(): Promise<{ since: string; code: string } | undefined>
}

const resumed = z.object({ wasRefused: z.boolean(), since: z.string().nullable(), code: z.string().nullable() })

/** `POST /api/money/resume-calls`: what `promostream resume-calls` does. */
export function moneyRoutes({ clearRefusal }: MoneyRoutesDeps): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    const summary = 'call the Money API again after it refused our credentials: every instance, within two seconds'
    app.post(
      '/api/money/resume-calls',
      { config: { change: 'money.resume-calls' }, schema: { tags: ['money'], summary, response: { 200: resumed } } },
      async () => {
        const refusal = await clearRefusal()
        return { wasRefused: refusal !== undefined, since: refusal?.since ?? null, code: refusal?.code ?? null }
      },
    )
  }
  return routes as FastifyPluginAsync
}
