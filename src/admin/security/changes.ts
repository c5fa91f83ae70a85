import type { FastifyInstance, FastifyRequest } from 'fastify'
import { refusal } from '#admin/problem.ts'
import type { ActivityLog } from '#database/activity-log.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import { parseExact } from '#runtime/exact-json.ts'
import { isForeign } from './origin.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The activity log’s row of the change under way. */
    activityId: string | undefined
  }
  interface FastifyContextConfig {
    /** What the activity log calls the change; method and path where a route does not say. */
    change?: string
    /** Changes only the user's own session: no role is needed. */
    isOwn?: boolean
  }
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Every request that may change something, whatever route it meets: no foreign origin, proof that it is meant (a CSRF
 * token beside a cookie, a JSON body beside HTTP Basic), an operator, and a row of the activity log that is committed before anything
 * is done. No route can forget any of it.
 */
export function registerChangeRules(app: FastifyInstance, activityLog: ActivityLog): void {
  app.decorateRequest('activityId', undefined)

  app.addHook('preValidation', (request, reply, done) => {
    // Who has no identity here signs, and is asked for it before the handler.
    if (!isChange(request) || request.identity === undefined) return done()
    if (request.signedInBy === 'session') return app.csrfProtection(request, reply, done)
    const isJson = /^application\/json\b/i.test(request.headers['content-type'] ?? '')
    done(isJson ? undefined : refusal('NOT_JSON', 'programs send JSON: content-type application/json'))
  })

  app.addHook('preHandler', async request => {
    if (!isChange(request)) return
    const { identity, routeOptions, body } = request
    if (identity === undefined) throw refusal('UNAUTHENTICATED', 'this needs a user')
    if (routeOptions.config.isOwn === true) return
    if (identity.role !== 'operator') throw refusal('FORBIDDEN', `${identity.name} may look, not change`)
    request.activityId = await activityLog.begin({
      who: identity.name,
      what: routeOptions.config.change ?? `${request.method} ${routeOptions.url}`,
      target: pathOf(request.url),
      detail: typeof body === 'string' ? parsed(body) : (body ?? null),
    })
  })

  app.addHook('onSend', async (request, reply) => {
    if (request.activityId === undefined) return
    await activityLog.end(request.activityId, String(reply.statusCode)).catch(error => {
      request.log.error(
        { err: toError(error), activityId: request.activityId },
        `activity log: row not ended: ${errorLine(error)}`,
      )
    })
  })
}

/** The first thing that is asked of a request: who sends a browser here from elsewhere learns nothing. */
export function refuseForeignWrites(app: FastifyInstance): void {
  app.addHook('onRequest', async request => {
    if (!SAFE_METHODS.has(request.method) && isForeign(request.headers)) {
      throw refusal('FOREIGN_ORIGIN', 'a write from another origin is refused')
    }
  })
}

function isChange(request: FastifyRequest): boolean {
  return !SAFE_METHODS.has(request.method) && request.routeOptions.config.isOpen !== true && !request.is404
}

function pathOf(url: string): string {
  const path = url.split('?')[0] ?? ''
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function parsed(body: string): unknown {
  try {
    return parseExact(body)
  } catch {
    return body.slice(0, 1000)
  }
}
