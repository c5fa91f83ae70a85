import { isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Address6 } from 'ip-address'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { refusal, wantsPage } from '#admin/problem.ts'
import { singleFlight } from '#runtime/single-flight.ts'
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
  const check = createBasicCheck(users)

  const fromSession = async (request: FastifyRequest): Promise<Identity | undefined> => {
    const { user, id } = sessionOf(request)
    const identity = user === undefined ? undefined : users.find(user)
    if (identity === undefined || id === undefined || (await revoked.has(id))) return undefined
    return identity
  }

  app.addHook('onRequest', async (request, reply) => {
    const credentials = basicCredentials(request.headers.authorization)
    const identity =
      credentials === undefined ? await fromSession(request) : await check(addressOf(request.ip), credentials)
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

/**
 * A password is derived once, however many requests come with it at a time, and counts against its address only if it was
 * wrong: a program may begin with a hundred requests.
 */
function createBasicCheck(users: Users) {
  const guesses = new RateLimiterMemory({ points: MAX_ATTEMPTS, duration: 60 })
  const verify = singleFlight(
    async (address: string, name: string, password: string) => {
      // Counted first: a burst of guesses must not run beside each other before the first is found wrong.
      await guesses.consume(address).catch(() => {
        throw refusal('TOO_MANY_LOGINS', 'too many logins: wait a minute')
      })
      const identity = await users.verify(name, password)
      if (identity !== undefined) await guesses.reward(address)
      return identity
    },
    (...asked) => JSON.stringify(asked),
  )
  return (address: string, [name, password]: [string, string]): Promise<Identity | undefined> => {
    const remembered = users.remembered(name, password)
    if (remembered !== undefined) return Promise.resolve(remembered)
    return verify(address, name, password)
  }
}

/** One bucket an address; of IPv6 one a /64, which is what one customer has. */
export function addressOf(ip: string): string {
  if (!isIPv6(ip)) return ip
  const address = new Address6(ip)
  return address.isMapped4() ? address.to4().correctForm() : new Address6(`${ip}/64`).startAddress().correctForm()
}

function basicCredentials(header: string | undefined): [string, string] | undefined {
  const match = /^Basic ([A-Za-z0-9+/=_-]+)$/i.exec(header ?? '')
  if (match === null) return undefined
  const text = Buffer.from(match[1] as string, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : [text.slice(0, colon), text.slice(colon + 1)]
}
