import { Queue } from 'bullmq'
import type { FastifyInstance } from 'fastify'
import { createAdminApp, SESSION_MAX_AGE_SECONDS } from '#admin/app.ts'
import { listActiveGifts } from '#admin/board/active-gifts.ts'
import { boardRoutes } from '#admin/board/board.routes.ts'
import { createGiftService } from '#admin/gifts.ts'
import { createLateEventProvider } from '#admin/late-events.ts'
import { assetRoutes } from '#admin/routes/asset.routes.ts'
import { auditRoutes } from '#admin/routes/audit.routes.ts'
import { eventRoutes } from '#admin/routes/event.routes.ts'
import { giftRoutes } from '#admin/routes/gift.routes.ts'
import { hookRoutes } from '#admin/routes/hook.routes.ts'
import { loginRoutes } from '#admin/routes/login.routes.ts'
import { pageRoutes } from '#admin/routes/page.routes.ts'
import { probeRoutes } from '#admin/routes/probe.routes.ts'
import { promotionRoutes } from '#admin/routes/promotion.routes.ts'
import { createRevokedSessions } from '#admin/security/revoked-sessions.ts'
import { createUsers } from '#admin/security/users.ts'
import { createSampler } from '#admin/snapshot/sampler.ts'
import { createStreamCounter } from '#admin/snapshot/streams.ts'
import type { Steering } from '#admin/steering.ts'
import { type AdminConfig, adminSchema } from '#config/schemas.ts'
import { createAdminAuditRepository } from '#database/admin-audit.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { createLagReader } from '#kafka/lag.ts'
import { listInstances } from '#promotion/instances.ts'
import { createRetryJobs } from '#promotion/retry-jobs.ts'
import { createPromotionStartedHooks } from '#promotion/started-hooks.ts'
import { pointQueue } from '#queues/point.queue.ts'
import { RETRY_QUEUE_NAME, type RetryJobData } from '#queues/retry.queue.ts'
import { voucherQueue } from '#queues/voucher.queue.ts'
import { CodedError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { service } from '#runtime/service.ts'
import { databaseOf, kafkaOf, retryPolicyOf, retryRedisOf, streamConnectionOf } from './foundation.ts'
import { runProcess } from './run-process.ts'

/** What people and programs see and steer an installation by. */
await runProcess('admin', adminSchema, async (config, { logger, assertStarted }) => {
  const metrics = createMetrics('admin')
  const { database, redis, stream, retryJobs, retryQueue, events, lag } = await partsOf(config, logger)
  const { kysely } = database
  const promotions = createPromotionRepository(kysely)
  const audit = createAdminAuditRepository(kysely)
  const users = createUsers(config.ADMIN_USERS ?? [])
  if (config.ADMIN_USERS === undefined) logger.warn('ADMIN_USERS is not set: nobody can log in')
  const revoked = createRevokedSessions(redis.client, SESSION_MAX_AGE_SECONDS)
  const streams = { VOUCHER: voucherQueue, POINT: pointQueue }
  const { connection } = stream
  const sampler = createSampler({
    kysely,
    streams: createStreamCounter({ connection, streams }),
    listInstances: () => listInstances(redis.client),
    kafkaLag: type => lag.read(`${config.KAFKA_GROUP_ID}-${type.toLowerCase()}`, topicOf(config, type)),
    logger,
  })
  const hooks = createPromotionStartedHooks({ logger })
  hooks.onPromotionStarted('log', ({ promotionId }) => logger.info({ promotionId }, 'started by a hook'))
  const gifts = createGiftService({ kysely, connection, streams, retryQueue, retryJobs })
  const steering = steeringOf(promotions)
  const board = boardRoutes({
    ...{ kysely, sampler, steering, promotions, gifts, retryQueue, streams },
    listActive: (promotion, limit) => listActiveGifts(promotion, limit, { kysely, connection }),
  })
  const checks = [
    { name: 'started', check: assertStarted },
    { name: 'database', check: () => database.ping() },
    { name: 'redis', check: async () => void (await redis.client.ping()) },
  ]
  const app = await createAdminApp({
    users,
    revoked,
    audit,
    logger,
    routes: [
      probeRoutes({ metrics, checks }),
      assetRoutes,
      loginRoutes({ users, revoked }),
      promotionRoutes({ kysely, promotions, sampler, steering }),
      giftRoutes(gifts),
      auditRoutes(audit),
      eventRoutes(sampler),
      board,
      pageRoutes({ kysely, sampler, gifts, audit }),
      hookRoutes({ promotions, events, topic: config.KAFKA_TOPIC_STARTED, hooks, secret: config.ADMIN_HOOK_SECRET }),
    ],
  })
  return [serverOf(app, config), database, redis.service, stream.service, retryJobs, events, lag, sampler]
})

async function partsOf(config: AdminConfig, logger: Logger) {
  const kafka = kafkaOf(config, logger)
  const redis = retryRedisOf(config, logger)
  const retryQueue = new Queue<RetryJobData>(RETRY_QUEUE_NAME, { connection: redis.client, prefix: redis.prefix })
  retryQueue.on('error', () => undefined)
  return {
    database: await databaseOf(config),
    redis,
    stream: streamConnectionOf(config, logger),
    retryQueue,
    retryJobs: createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy: retryPolicyOf(config) }),
    events: createLateEventProvider(() => createEventProvider(kafka)),
    lag: createLagReader(kafka),
  }
}

function topicOf(config: AdminConfig, type: 'VOUCHER' | 'POINT'): string {
  return type === 'VOUCHER' ? config.KAFKA_TOPIC_VOUCHER : config.KAFKA_TOPIC_POINT
}

function steeringOf(promotions: PromotionRepository): Steering {
  const later = () => Promise.reject(new CodedError('NOT_BUILT', 'not built yet'))
  return {
    start: async id => (await promotions.start(id, 0))?.changed === true || promotions.resume(id),
    resume: id => promotions.resume(id),
    pause: later,
    stop: later,
    finish: later,
    rebuild: later,
    'retry-unknown': later,
    'reconcile-unknown': later,
  }
}

function serverOf(app: FastifyInstance, { ADMIN_HOST: host, ADMIN_PORT: port }: AdminConfig) {
  return service('admin-server', {
    start: async () => {
      await app.listen({ host, port })
    },
    stop: () => app.close(),
  })
}
