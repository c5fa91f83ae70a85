import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { contextOf } from '#admin/pages/layout.ts'
import { type LoginView, loginPage } from '#admin/pages/login.page.ts'
import { refusal, wantsPage } from '#admin/problem.ts'
import { MAX_ATTEMPTS, sessionOf } from '#admin/security/authenticate.ts'
import { isLocalName } from '#admin/security/origin.ts'
import type { RevokedSessions } from '#admin/security/revoked-sessions.ts'
import type { Identity, Users } from '#admin/security/users.ts'
import { sendPage } from '#admin/send-page.ts'
import { LANGUAGES } from '#admin/texts/format.ts'
import { chooseLanguage } from '#admin/texts/language.ts'

export interface LoginDeps {
  users: Users
  revoked: RevokedSessions
  /** Before our own paths in a browser. */
  basePath: string
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
export function loginRoutes({ users, revoked, basePath }: LoginDeps): FastifyPluginAsync {
  const routes: FastifyPluginAsyncZod = async app => {
    app.get('/login', { config: { isOpen: true } }, async (request, reply) => {
      if (request.identity !== undefined) return reply.redirect('/', 303)
      const { next } = request.query as { next?: unknown }
      return sendLogin(request, reply, 200, { next: localPath(typeof next === 'string' ? next : undefined) })
    })

    // Open, as the login is: it changes nothing but what this browser reads, and its links stand on the login's page.
    app.get('/login/language', { config: { isOpen: true }, schema: { hide: true } }, (request, reply) => {
      const { to, next } = request.query as { to?: unknown; next?: unknown }
      const language = LANGUAGES.find(known => known === to)
      if (language !== undefined) chooseLanguage(request, reply, { language, path: basePath || '/' })
      return reply.redirect(localPath(typeof next === 'string' ? next : undefined), 303)
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
            return sendLogin(request, reply, 401, { next: localPath(next), isRefused: true, user })
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

function sendLogin(request: FastifyRequest, reply: FastifyReply, status: number, view: LoginView): FastifyReply {
  const page = loginPage(view, contextOf(request, reply))
  return sendPage(reply.code(status), page)
}
