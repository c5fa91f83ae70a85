import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { loginPage } from '#admin/pages/login.page.ts'
import { refusal, wantsPage } from '#admin/problem.ts'
import { MAX_ATTEMPTS, sessionOf } from '#admin/security/authenticate.ts'
import { isLocalName } from '#admin/security/origin.ts'
import type { RevokedSessions } from '#admin/security/revoked-sessions.ts'
import type { Identity, Users } from '#admin/security/users.ts'

export interface LoginDeps {
  users: Users
  revoked: RevokedSessions
}

const credentials = z.object({
  user: z.string().min(1).max(64),
  password: z.string().min(1).max(1024),
  next: z.string().optional(),
})

/** Where to go after a login: a path of ours, never another site. */
function localPath(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])[^\s\\]*$/.test(next) ? next : '/'
}

const isForm = (request: FastifyRequest) =>
  request.headers['content-type']?.startsWith('application/x-www-form') === true

/** `POST /login` for pages (a form) and programs (JSON), the session's own state, and the way out. */
export function loginRoutes({ users, revoked }: LoginDeps): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    app.get('/login', { config: { isOpen: true } }, async (request, reply) => {
      if (request.identity !== undefined) return reply.redirect('/', 303)
      const { next } = request.query as { next?: unknown }
      return sendLogin(reply, 200, { next: localPath(typeof next === 'string' ? next : undefined) })
    })

    app.post(
      '/login',
      {
        config: {
          isOpen: true,
          rateLimit: { max: MAX_ATTEMPTS, timeWindow: '1 minute', hook: 'onRequest' },
        },
        schema: { body: credentials },
      },
      async (request, reply) => {
        const { user, password, next } = request.body
        const identity = await users.verify(user, password)
        // A password is easily typed where the name belongs: only names that we know are written down.
        request.log.info({ user: users.find(user)?.name ?? 'unknown', isRight: identity !== undefined }, 'login')
        if (identity === undefined) {
          if (isForm(request)) {
            return sendLogin(reply, 401, { next: localPath(next), complaint: 'Wrong user or password.', user })
          }
          throw refusal('UNAUTHENTICATED', 'wrong user or password')
        }
        const csrfToken = openSession(request, reply, identity)
        if (isForm(request)) return reply.redirect(localPath(next), 303)
        return { user: identity.name, role: identity.role, csrfToken }
      },
    )

    app.get('/api/session', { schema: { hide: true } }, async (request, reply) => {
      const { name, role } = request.identity as Identity
      return { user: name, role, csrfToken: request.signedInBy === 'session' ? reply.generateCsrf() : null }
    })

    app.post('/logout', { config: { isOwn: true } }, async (request, reply) => {
      const { id } = sessionOf(request)
      if (id !== undefined) await revoked.add(id)
      request.session.delete()
      return isForm(request) || wantsPage(request) ? reply.redirect('/login', 303) : reply.code(204).send()
    })
  }
  return routes as FastifyPluginAsync
}

/** A session of its own each time: one that was planted before the login is worth nothing after it. */
function openSession(request: FastifyRequest, reply: FastifyReply, identity: Identity): string {
  request.session.regenerate()
  request.session.set('user', identity.name)
  request.session.set('id', randomUUID())
  request.session.options({ secure: !isLocalName(request.hostname) })
  return reply.generateCsrf()
}

function sendLogin(reply: FastifyReply, status: number, view: Parameters<typeof loginPage>[0]): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').serializer(String).send(loginPage(view))
}
