import { Queue } from 'bullmq'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { registerAdminMetrics } from '#admin/admin-metrics.ts'
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
import { moneyRoutes } from '#admin/routes/money.routes.ts'
import { pageRoutes } from '#admin/routes/page.routes.ts'
import { probeRoutes } from '#admin/routes/probe.routes.ts'
import { promotionRoutes } from '#admin/routes/promotion.routes.ts'
import { createRevokedSessions } from '#admin/security/revoked-sessions.ts'
import { createUsers } from '#admin/security/users.ts'
import { createSampler } from '#admin/snapshot/sampler.ts'
import { createStreamCounter } from '#admin/snapshot/streams.ts'
import { stepsOf } from '#admin/steering.ts'
import { giftTopicsOf } from '#config/gift-topics.ts'
import type { AdminConfig } from '#config/schemas.ts'
import { createAdminAuditRepository } from '#database/activity-log.ts'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { createLagReader } from '#kafka/lag.ts'
import { clearCredentialsLatch } from '#money/credentials-latch.ts'
import { listInstances } from '#promotion/consumers/instances.ts'
import { createPromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import { createSteering } from '#promotion/operations.ts'
import { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import { createRetryJobs } from '#promotion/payment/retry-jobs.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { RETRY_QUEUE_NAME, type RetryJobData } from '#queues/retry.queue.ts'
import { errorLine } from '#runtime/errors.ts'
import { listen } from '#runtime/listen.ts'
import type { Logger } from '#runtime/logger.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'
import { type Service, service } from '#runtime/service.ts'
import {
  assertRedisUrls,
  databaseOf,
  kafkaOf,
  redisOwnerOf,
  retryRedisOf,
  sharedRedisOf,
  streamConnectionOf,
} from './connections.ts'
import { moneyPartsOf, retryPolicyOf } from './foundation.ts'
import { databaseCheck, healthOf, redisCheck, streamsCheck } from './health.ts'

const REDIS_COMMAND_MS = 5000

interface AdminContext {
  logger: Logger
  assertStarted(): void
  fatal(error: Error): void
  /** Called with every route that the app has. */
  onRoute?(route: RouteOptions): void
}

/** The admin's app on its settings, and the services behind it in the order they start. */
export async function assembleAdmin(config: AdminConfig, { logger, assertStarted, fatal, onRoute }: AdminContext) {
  const metrics = createMetrics('admin')
  const parts = await partsOf(config, logger)
  const { database, redis, shared, streams, stream, retryJobs, retryQueue, events, lag, money } = parts
  const { kysely } = database
  const promotions = createPromotionRepository(kysely)
  const audit = createAdminAuditRepository(kysely)
  const users = createUsers(config.ADMIN_USERS ?? [])
  if (config.ADMIN_USERS === undefined) logger.warn('ADMIN_USERS is not set: nobody can log in')
  const revoked = createRevokedSessions(shared.client, SESSION_MAX_AGE_SECONDS)
  const owner = redisOwnerOf('admin', config, { database, redis, stream, logger, fatal })
  const { connection } = stream
  const sampler = createSampler({
    kysely,
    streams: createStreamCounter({ connection, streams }),
    listInstances: () => listInstances(shared.client),
    kafkaLag: type => readGiftLag(type, config, lag),
    retriesPaused: () => parts.retryQueue.isPaused(),
    logger,
  })
  registerAdminMetrics(metrics, () => sampler.latest())
  const hooks = createPromotionStartedHooks({ logger })
  hooks.onPromotionStarted('log', ({ promotionId }) =>
    logger.info({ promotionId }, 'promotion started through the admin'),
  )
  const steering = steeringOf(config, parts, promotions, metrics, logger)
  const steps = stepsOf(steering, hooks)
  const gifts = createGiftService({ kysely, connection, streams, retryQueue, steering })
  const board = boardRoutes({
    ...{ kysely, sampler, steps, promotions, gifts, retryQueue, streams, logger, basePath: config.ADMIN_BASE_PATH },
    retryUnknown: async promotionId => (await steering.retryUnknown(promotionId)).retried,
    listActive: (promotion, limit) => listActiveGifts(promotion, limit, { kysely, connection, streams }),
  })
  const health = healthOf({
    ...{ config, metrics, logger, assertStarted, fatal, loops: [] },
    dependencies: [databaseCheck(database), redisCheck(redis.client), streamsCheck(connection)],
  })
  const app = await createAdminApp({
    users,
    revoked,
    audit,
    logger,
    assertStarted,
    ...(config.ADMIN_SESSION_SECRET === undefined ? {} : { sessionSecret: config.ADMIN_SESSION_SECRET }),
    ...(config.ADMIN_TRUSTED_PROXIES === undefined ? {} : { trustedProxies: config.ADMIN_TRUSTED_PROXIES }),
    basePath: config.ADMIN_BASE_PATH,
    ...(onRoute === undefined ? {} : { onRoute }),
    routes: [
      probeRoutes({ metrics, checks: health.checks, logger }),
      assetRoutes,
      loginRoutes({ users, revoked }),
      promotionRoutes({ kysely, promotions, sampler, steps }),
      giftRoutes(gifts),
      moneyRoutes({ clearRefusal: () => clearCredentialsLatch(shared.client) }),
      auditRoutes(audit),
      eventRoutes(sampler),
      board,
      pageRoutes({ kysely, sampler, gifts, audit }),
      hookRoutes({ promotions, events, topic: config.KAFKA_TOPIC_STARTED, hooks, secret: config.ADMIN_HOOK_SECRET }),
    ],
  })
  const queue = service('retry-queue', { start: async () => undefined, stop: () => retryQueue.close() })
  const services: Service[] = [
    serverOf(app, config, logger),
    database,
    redis.service,
    shared.service,
    stream.service,
    owner,
    queue,
    retryJobs,
    events,
  ]
  // The first to stop: a change that comes in must still find everything that it needs.
  const door = service('admin-requests', { start: async () => undefined, stop: () => app.close() })
  return { app, services: [...services, lag, ...(money?.services ?? []), sampler, ...health.services, door] }
}

async function partsOf(config: AdminConfig, logger: Logger) {
  assertRedisUrls(config)
  const kafka = kafkaOf(config, logger)
  // A person waits: what Redis does not do within this time has failed.
  const redis = retryRedisOf(config, logger, REDIS_COMMAND_MS)
  const retryQueue = new Queue<RetryJobData>(RETRY_QUEUE_NAME, { connection: redis.client, prefix: redis.prefix })
  retryQueue.on('error', () => undefined)
  const database = await databaseOf(config)
  return {
    database,
    redis,
    shared: sharedRedisOf(config, logger, REDIS_COMMAND_MS),
    streams: promotionStreams(config.REDIS_KEY_PREFIX),
    stream: streamConnectionOf(config, logger),
    retryQueue,
    retryJobs: createRetryJobs({ connection: redis.client, prefix: redis.prefix, policy: retryPolicyOf(config) }),
    events: createLateEventProvider(() => createEventProvider(kafka)),
    lag: createLagReader(kafka),
    money: config.MONEY_API_URL === undefined ? undefined : moneyPartsOf(config, logger, { kysely: database.kysely }),
  }
}

function readGiftLag(type: PromotionType, config: AdminConfig, lag: Parts['lag']): Promise<number> {
  const { groupId, topic } = giftTopicsOf(config)[type].gifts
  return lag.read(groupId, topic)
}

type Parts = Awaited<ReturnType<typeof partsOf>>

/** The operations that the CLI has too. */
function steeringOf(
  config: AdminConfig,
  parts: Parts,
  promotions: PromotionRepository,
  metrics: Metrics,
  logger: Logger,
) {
  const { database, stream, streams, retryJobs, events, money } = parts
  const results = createGiftResultRepositories(database.kysely)
  const promotionMetrics = createPromotionMetrics(metrics)
  return createSteering({
    kysely: database.kysely,
    promotions,
    streams,
    logger,
    events: {
      startedTopic: config.KAFKA_TOPIC_STARTED,
      provider: {
        // Without Kafka the instances find a start by themselves, two seconds later.
        publish: event =>
          events.publish(event).catch(error => logger.warn({ err: error }, `started event lost: ${errorLine(error)}`)),
      },
    },
    producer: new PromotionStreamProducer({ connection: stream.connection, maxLen: config.REDIS_STREAM_MAX_LEN }),
    retryJobs,
    ...(money === undefined
      ? {}
      : {
          money: {
            moneyApi: money.moneyCampaignChargeApi,
            resultUpdateService: new CampaignPromotionResultUpdateService({
              results,
              metrics: promotionMetrics,
              logger,
            }),
          },
        }),
  })
}

function serverOf(app: FastifyInstance, { ADMIN_HOST: host, ADMIN_PORT: port }: AdminConfig, logger: Logger) {
  return service('admin-server', {
    start: () => listen(app, { host, port, settings: { host: 'ADMIN_HOST', port: 'ADMIN_PORT' }, logger }),
    stop: () => app.close(),
  })
}
