import type { FastifyPluginAsync, RouteOptions } from 'fastify'
import { registerAdminMetrics } from '#admin/admin-metrics.ts'
import { createAdminApp, SESSION_MAX_AGE_SECONDS } from '#admin/app.ts'
import { listActiveGifts } from '#admin/board/active-gifts.ts'
import { boardRoutes } from '#admin/board/board.routes.ts'
import { createGiftService } from '#admin/gifts.ts'
import { createInvalidMessages } from '#admin/invalid-messages.ts'
import { registerLetterMetrics } from '#admin/letter-metrics.ts'
import { createMemberMask, forOperatorsOnly } from '#admin/member-mask.ts'
import { apiOperationsOf } from '#admin/operations.ts'
import { createReportJobs } from '#admin/report/report-jobs.ts'
import { assetRoutes } from '#admin/routes/asset.routes.ts'
import { auditRoutes } from '#admin/routes/audit.routes.ts'
import { deadLetterRoutes } from '#admin/routes/dead-letter.routes.ts'
import { eventRoutes } from '#admin/routes/event.routes.ts'
import { giftRoutes } from '#admin/routes/gift.routes.ts'
import { hookRoutes } from '#admin/routes/hook.routes.ts'
import { loginRoutes } from '#admin/routes/login.routes.ts'
import { moneyRoutes } from '#admin/routes/money.routes.ts'
import { pageRoutes } from '#admin/routes/page.routes.ts'
import { probeRoutes } from '#admin/routes/probe.routes.ts'
import { promotionRoutes } from '#admin/routes/promotion.routes.ts'
import { rejectedRoutes } from '#admin/routes/rejected.routes.ts'
import { reportRoutes } from '#admin/routes/report.routes.ts'
import { createRevokedSessions } from '#admin/security/revoked-sessions.ts'
import { createUsers } from '#admin/security/users.ts'
import { createKeptReads } from '#admin/snapshot/kept-reads.ts'
import type { Sampler } from '#admin/snapshot/sampler.ts'
import { startedCheck } from '#admin/started-check.ts'
import type { AdminConfig } from '#config/schemas.ts'
import { createActivityLog } from '#database/activity-log.ts'
import { clearCredentialsLatch } from '#money/credentials-latch.ts'
import { createPromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import { createPromotionDeadLetters, type PromotionDeadLetters } from '#promotion/dead-letters.ts'
import type { ReadinessCheck } from '#runtime/readiness.ts'
import { type AdminParts, operationsOf } from './admin-parts.ts'
import { reportAuditOf } from './report-audit.ts'

interface AppContext {
  sampler: Sampler
  checks: readonly ReadinessCheck[]
  assertStarted(): void
  onRoute?(route: RouteOptions): void
}

/** The app: who may come in, and every route. */
export async function adminAppOf(config: AdminConfig, parts: AdminParts, context: AppContext) {
  const { sampler, assertStarted, onRoute } = context
  const { database, shared, logger } = parts
  const activityLog = createActivityLog(database.kysely)
  const users = createUsers(config.ADMIN_USERS ?? [])
  if (config.ADMIN_USERS === undefined) logger.warn('ADMIN_USERS is not set: nobody can log in')
  const revoked = createRevokedSessions(shared.client, SESSION_MAX_AGE_SECONDS)
  registerAdminMetrics(parts.metrics(), () => sampler.latest())
  const { connection } = parts.stream()
  const deadLetters = createPromotionDeadLetters({ connection, streams: parts.streams, promotions: parts.promotions })
  registerLetterMetrics(parts.metrics(), { latest: () => sampler.latest(), deadLetters })
  return await createAdminApp({
    users,
    revoked,
    activityLog,
    logger,
    assertStarted,
    ...(config.ADMIN_SESSION_SECRET === undefined ? {} : { sessionSecret: config.ADMIN_SESSION_SECRET }),
    ...(config.ADMIN_TRUSTED_PROXIES === undefined ? {} : { trustedProxies: config.ADMIN_TRUSTED_PROXIES }),
    basePath: config.ADMIN_BASE_PATH,
    ...(onRoute === undefined ? {} : { onRoute }),
    routes: [
      ...routesOf(config, parts, { ...context, activityLog, deadLetters }),
      loginRoutes({ users, revoked, basePath: config.ADMIN_BASE_PATH }),
    ],
  })
}

interface RouteContext extends AppContext {
  activityLog: ReturnType<typeof createActivityLog>
  deadLetters: PromotionDeadLetters
}

function routesOf(config: AdminConfig, parts: AdminParts, { sampler, checks, activityLog, deadLetters }: RouteContext) {
  const { database, promotions, streams, logger, shared, lateEvents: events } = parts
  const { kysely } = database
  const { connection } = parts.stream()
  const retryQueue = parts.retryQueue.queue
  const hooks = createPromotionStartedHooks({ logger })
  hooks.onPromotionStarted('check', startedCheck({ sampler, logger }))
  const operations = operationsOf(config, parts)
  const apiOperations = apiOperationsOf(operations, hooks)
  const kept = createKeptReads(sampler)
  const mask = createMemberMask(config.ADMIN_MEMBER_IDS_MASKED)
  const withMembers = config.ADMIN_MEMBER_IDS_MASKED ? forOperatorsOnly : (routes: FastifyPluginAsync) => routes
  const gifts = createGiftService({ kysely, connection, streams, retryQueue, operations })
  const board = boardRoutes({
    ...{ kysely, sampler, operations: apiOperations, promotions, gifts, retryQueue, connection, streams, mask, logger },
    basePath: config.ADMIN_BASE_PATH,
    retryUnknown: async promotionId => (await operations.retryUnknown(promotionId)).retried,
    listActive: (promotion, limit) => listActiveGifts(promotion, limit, { kysely, connection, streams }),
  })
  return [
    probeRoutes({ metrics: parts.metrics(), checks, logger }),
    assetRoutes,
    promotionRoutes({ kysely, promotions, sampler, operations: apiOperations, mask }),
    giftRoutes(gifts, mask),
    deadLetterRoutes({ deadLetters, promotions, mask, kept }),
    withMembers(
      reportRoutes({
        sampler,
        kept,
        reports: createReportJobs({ kysely, sampler, logger, audit: reportAuditOf(config, logger) }),
      }),
    ),
    withMembers(
      rejectedRoutes({
        kysely,
        sampler,
        kept,
        events,
        invalid: createInvalidMessages(parts.kafka, config.KAFKA_TOPIC_INVALID),
      }),
    ),
    moneyRoutes({ clearRefusal: () => clearCredentialsLatch(shared.client) }),
    auditRoutes(activityLog),
    eventRoutes(sampler),
    board,
    pageRoutes({ kysely, sampler, gifts, activityLog, mask, kept }),
    hookRoutes({ promotions, events, topic: config.KAFKA_TOPIC_STARTED, hooks, secret: config.ADMIN_HOOK_SECRET }),
  ]
}
