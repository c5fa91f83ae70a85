import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { createGiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { createRetryJobs, type RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { ResumedRetries } from '#promotion/upkeep/lost-retries.ts'
import { SettledRetries } from '#promotion/upkeep/settled-retries.ts'
import type { UpkeepDeps } from '#promotion/upkeep/upkeep.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { createStreamConnection, type StreamConnection } from '#stream/index.ts'
import { startTestRedis, type TestRedis } from './redis.ts'
import { createTestDatabase, type TestDatabase, uniqueId } from './stack-env.ts'

export const silent = createLogger('test', 'silent')

interface Servers {
  db: TestDatabase
  redis: TestRedis
  bull: Redis
  connection: StreamConnection
}

/** What the rounds of upkeep work on, without processes: a database and a Redis of its own, and nobody who pays. */
export class UpkeepRig {
  readonly kysely: Kysely<unknown>
  readonly promotions: PromotionRepository
  readonly redis: TestRedis
  /** BullMQ's connection; its keys begin with `test:`. */
  readonly bull: Redis
  readonly retryJobs: RetryJobs
  readonly #servers: Servers

  private constructor(servers: Servers) {
    this.#servers = servers
    this.kysely = servers.db.database.kysely
    this.promotions = createPromotionRepository(this.kysely)
    this.redis = servers.redis
    this.bull = servers.bull
    const policy = { maxAttempts: 8, baseMs: 60_000, maxMs: 60_000 }
    this.retryJobs = createRetryJobs({ connection: servers.bull, prefix: 'test', policy })
  }

  static async create(): Promise<UpkeepRig> {
    const [db, redis] = await Promise.all([createTestDatabase(), startTestRedis()])
    const connection = createStreamConnection({ url: redis.url })
    await connection.ready()
    return new UpkeepRig({ db, redis, bull: new Redis(redis.url, { maxRetriesPerRequest: null }), connection })
  }

  async stop(): Promise<void> {
    const { db, redis, bull, connection } = this.#servers
    await this.retryJobs.stop()
    bull.disconnect()
    await connection.close()
    await Promise.all([redis.stop(), db.drop()])
  }

  readonly depsOf = (overrides: Partial<UpkeepDeps> = {}): UpkeepDeps => {
    const { kysely, promotions, retryJobs } = this
    const deps: UpkeepDeps = {
      kysely,
      promotions,
      registry: new PromotionConsumerRegistry(silent),
      producer: new PromotionStreamProducer({ connection: this.#servers.connection, maxLen: 100_000 }),
      streams: GIFT_TYPES,
      events: { publish: async () => undefined } as unknown as UpkeepDeps['events'],
      topic: 'completed',
      quietMs: 0,
      logger: silent,
      retryJobs,
      sweepAgeMs: 0,
      unknown: undefined as never,
      resumedRetries: new ResumedRetries({ kysely, promotions, retryJobs, sweepAgeMs: 60_000, logger: silent }),
      settledRetries: new SettledRetries({ kysely, retryJobs }),
      ...overrides,
    }
    const moneyApi = { lookup: async () => ({ kind: 'no-charge' as const }) }
    const unknown = {
      ...{ kysely, moneyApi, resultUpdateService: { updateSuccess: async () => undefined } as never },
      ...{ retryJobs: { remove: retryJobs.remove, ...deps.retryJobs }, recheckMs: 60_000, logger: silent },
    }
    return { ...deps, unknown }
  }

  readonly promotion = async (status = 'IN_PROGRESS', totalCount = 0): Promise<string> => {
    const id = String(uniqueId())
    await this.promotions.create({ id, name: 'test', type: 'VOUCHER', totalCount })
    await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(this.kysely)
    return id
  }

  /** Rows of a promotion, each moved on to `to`. */
  readonly gifts = async (
    promotionId: string,
    count: number,
    to?: 'RETRYING' | 'UNKNOWN' | 'FAILED' | 'SUCCESS',
  ): Promise<string[]> => {
    const results = createGiftResultRepositories(this.kysely).VOUCHER
    const first = uniqueId() * 10_000n
    const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
    for (const targetId of targets) {
      const gift = { promotionId, promotionSummaryId: promotionId, targetId, partitionKey: 'k', memberId: '7' }
      const place = { kafkaPartition: 0, kafkaOffset: '0', wantsEntry: true }
      await results.insert({ ...gift, amount: '100', message: '{}', ...place })
      if (to === 'SUCCESS') await results.move({ targetId, to, moneyKey: 'tx', posts: 1 })
      else if (to !== undefined) await results.move({ targetId, to, errorCode: 'x', errorMessage: '', posts: 1 })
    }
    return targets
  }

  /** No promotion of an earlier test takes part in a round any more. */
  readonly endAll = () => sql`update campaign_promotion set status = 'READY'`.execute(this.kysely)
}
