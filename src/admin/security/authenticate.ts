import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { refusal, wantsPage } from '#admin/problem.ts'
import type { RevokedSessions } from './revoked-sessions.ts'
import type { Identity, Users } from './users.ts'

declare module '@fastify/secure-session' {
  interface SessionData {
    user: string
    /** Of this login, for its logout. */
    id: string
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined only on open routes, and before a signature is checked. */
    identity: Identity | undefined
    signedInBy: 'session' | 'basic' | 'signature' | undefined
  }
  interface FastifyContextConfig {
    /** Answered to anybody: probes and the login. */
    isOpen?: boolean
    /** Takes a signature in a user's place, checked by the route itself before its handler. */
    takesSignature?: boolean
  }
}

export interface AuthenticationDeps {
  users: Users
  revoked: RevokedSessions
}

/** Passwords from one address in a minute that were not right before; the next one is not even looked at. */
export const MAX_ATTEMPTS = 5

/** Finds out who asks, by cookie or by HTTP Basic, and turns away who has no user. */
export function registerAuthentication(app: FastifyInstance, { users, revoked }: AuthenticationDeps): void {
  app.decorateRequest('identity', undefined)
  app.decorateRequest('signedInBy', undefined)
  const attempts = app.createRateLimit({ max: MAX_ATTEMPTS, timeWindow: '1 minute', keyGenerator: byAddress })

  const fromSession = async (request: FastifyRequest): Promise<Identity | undefined> => {
    const { user, id } = sessionOf(request)
    const identity = user === undefined ? undefined : users.find(user)
    if (identity === undefined || id === undefined || (await revoked.has(id))) return undefined
    return identity
  }
  const fromBasic = async (request: FastifyRequest, [name, password]: [string, string]) => {
    const remembered = users.remembered(name, password)
    if (remembered !== undefined) return remembered
    const attempt = await attempts(request)
    if (!attempt.isAllowed && attempt.isExceeded) throw refusal('TOO_MANY_LOGINS', 'too many logins: wait a minute')
    return users.verify(name, password)
  }

  app.addHook('onRequest', async (request, reply) => {
    const credentials = basicCredentials(request.headers.authorization)
    const identity = credentials === undefined ? await fromSession(request) : await fromBasic(request, credentials)
    if (identity !== undefined) {
      request.identity = identity
      request.signedInBy = credentials === undefined ? 'session' : 'basic'
      return
    }
    const { isOpen, takesSignature } = request.routeOptions.config
    if (isOpen === true || (takesSignature === true && request.headers['x-promostream-signature'] !== undefined)) return
    return turnAway(request, reply)
  })
}

function turnAway(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (wantsPage(request) && request.headers.authorization === undefined) {
    return reply.redirect(`/login?next=${encodeURIComponent(request.url)}`, 303)
  }
  // A browser would show its own password box, and keep what was typed: that header is for programs.
  if (request.headers['sec-fetch-site'] === undefined) reply.header('www-authenticate', 'Basic realm="promostream"')
  throw refusal('UNAUTHENTICATED', 'this needs a user: log in, or use HTTP Basic')
}

export function sessionOf(request: FastifyRequest): { user?: string; id?: string } {
  const [user, id] = [request.session.get('user'), request.session.get('id')]
  return { ...(user === undefined ? {} : { user }), ...(id === undefined ? {} : { id }) }
}

/** One bucket an address. */
export function byAddress(request: FastifyRequest): string {
  return request.ip
}

function basicCredentials(header: string | undefined): [string, string] | undefined {
  const match = /^Basic ([A-Za-z0-9+/=_-]+)$/i.exec(header ?? '')
  if (match === null) return undefined
  const text = Buffer.from(match[1] as string, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : [text.slice(0, colon), text.slice(colon + 1)]
}
