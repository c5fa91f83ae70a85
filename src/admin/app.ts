import csrfProtection from '@fastify/csrf-protection'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import secureSession from '@fastify/secure-session'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  LogController,
  type RouteOptions,
} from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { ActivityLog } from '#database/activity-log.ts'
import { parseExact } from '#runtime/exact-json.ts'
import type { Logger } from '#runtime/logger.ts'
import { answerBelow, type BasePath, withoutBasePath } from './base-path.ts'
import { errorPage } from './pages/error.page.ts'
import { answerProblems, refusal } from './problem.ts'
import { registerDocs } from './routes/docs.routes.ts'
import { registerAuthentication } from './security/authenticate.ts'
import { refuseForeignWrites, registerChangeRules } from './security/changes.ts'
import type { RevokedSessions } from './security/revoked-sessions.ts'
import type { Users } from './security/users.ts'

export interface AdminAppOptions {
  users: Users
  revoked: RevokedSessions
  activityLog: ActivityLog
  logger: Logger
  /** Throws until everything behind the routes has started. */
  assertStarted(): void
  /** Seals sessions; admins beside each other need the same. */
  sessionSecret?: string
  /** Whose `X-Forwarded-For` is believed. */
  trustedProxies?: readonly string[]
  basePath: BasePath
  /** The routes, each a plugin. */
  routes: readonly FastifyPluginAsync[]
  /** Called with every route that there is. */
  onRoute?(route: RouteOptions): void
}

/** A login lasts this long. */
export const SESSION_MAX_AGE_SECONDS = 12 * 3600
/** By then a server that is away has been waited for long enough; asking about a campaign's UNKNOWN gifts takes a while. */
const HANDLER_TIMEOUT_MS = 60_000
const MAX_BODY_BYTES = 256 * 1024
/** A request has come in whole by then, or its connection ends: whoever sends a byte a minute keeps none open. */
const REQUEST_TIMEOUT_MS = 10_000
const CHECK_INTERVAL_MS = 2000

/** Two style elements, by what stands in them: of an icon of Bull-Board, and of Swagger UI. Any other is refused. */
const KNOWN_STYLES = [
  "'sha256-r2N1TB/gHbBtBZFKg7ejmq1acVSREzucTAEw6ga4hoU='",
  "'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
]

/** Nothing inline, nothing from elsewhere, on every page, the board's and the docs' included. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", ...KNOWN_STYLES],
    imgSrc: ["'self'", 'data:'],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    manifestSrc: ["'self'"],
    baseUri: ["'self'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
  },
}

/** The admin as a Fastify app: its rules first, then its routes, so that no route is without them. */
export async function createAdminApp(options: AdminAppOptions): Promise<FastifyInstance> {
  const { users, revoked, activityLog, logger, routes } = options
  const app: FastifyInstance = fastify({
    loggerInstance: logger as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: CHECK_INTERVAL_MS },
    rewriteUrl: withoutBasePath(options.basePath),
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: 200 },
    trustProxy: options.trustedProxies === undefined ? false : [...options.trustedProxies],
  })
  if (options.onRoute !== undefined) app.addHook('onRoute', options.onRoute)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  answerProblems(app, errorPage)
  await app.register(helmet, {
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'same-origin' },
  })
  answerBelow(app, options.basePath)
  refuseForeignWrites(app)
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: () => refusal('TOO_MANY_LOGINS', 'too many logins: wait a minute'),
  })
  await app.register(secureSession, {
    key: users.sessionKey(options.sessionSecret),
    cookieName: 'promostream-session',
    expiry: SESSION_MAX_AGE_SECONDS,
    cookie: { path: options.basePath || '/', httpOnly: true, sameSite: 'strict', maxAge: SESSION_MAX_AGE_SECONDS },
  })
  await app.register(csrfProtection, { sessionPlugin: '@fastify/secure-session', logLevel: 'debug' })
  await app.register(formbody)
  takeExactJson(app)
  app.addHook('onRequest', async request => {
    if (request.routeOptions.config.isOpen !== true) options.assertStarted()
  })
  registerAuthentication(app, { users, revoked })
  registerChangeRules(app, activityLog)
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
  await registerDocs(app, options.basePath)
  for (const route of routes) await app.register(route)
  return app
}

/** No id in a body passes through a JavaScript number; a body that is left out is an empty object. */
function takeExactJson(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? {} : parseExact(String(body)))
    } catch {
      done(refusal('BAD_JSON', 'the body is not JSON'))
    }
  })
}
