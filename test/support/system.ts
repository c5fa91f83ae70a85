import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { createGiftResultRepositories, type GiftResultRepositories } from '#database/gifts/results.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { createEventProvider, type EventProviderService } from '#kafka/event-provider.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { type Child, startChild } from '#local/demo/children.ts'
import { type RunningMoneySimulator, startMoneySimulator } from '#local/money-api/money-simulator-server.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { DISCONNECT_TIMEOUT_MS } from './redis.ts'
import { createTestDatabase, stackEnv, type TestDatabase, uniqueId, uniqueName } from './stack-env.ts'

const TOPICS = ['STARTED', 'VOUCHER', 'POINT', 'VOUCHER_RETRY', 'POINT_RETRY', 'INVALID', 'COMPLETED'] as const

export type TopicName = (typeof TOPICS)[number]

/** One installation with a database, topics, groups, Redis database and Money API of its own. */
export class TestSystem {
  readonly env: Record<string, string>
  readonly db: TestDatabase
  readonly kysely: Kysely<unknown>
  readonly promotions: PromotionRepository
  readonly results: GiftResultRepositories
  readonly events: EventProviderService
  readonly kafka: KafkaClient
  readonly redis: Redis
  readonly moneyUrl: string
  readonly #money: RunningMoneySimulator
  readonly #children: Child[] = []
  readonly #logFolder = mkdtempSync(join(tmpdir(), 'promostream-test-'))

  private constructor(parts: {
    env: Record<string, string>
    db: TestDatabase
    money: RunningMoneySimulator
    kafka: KafkaClient
  }) {
    this.env = parts.env
    this.db = parts.db
    this.kysely = parts.db.database.kysely
    this.promotions = createPromotionRepository(this.kysely)
    this.results = createGiftResultRepositories(this.kysely)
    this.kafka = parts.kafka
    this.events = createEventProvider(parts.kafka)
    this.redis = new Redis(parts.env.REDIS_URL!, { disconnectTimeout: DISCONNECT_TIMEOUT_MS })
    this.moneyUrl = parts.env.MONEY_API_URL!
    this.#money = parts.money
  }

  /** @param serverUrl a PostgreSQL other than that of the run. */
  static async create(overrides: Record<string, string> = {}, serverUrl?: string): Promise<TestSystem> {
    const stack = stackEnv()
    const [db, money] = await Promise.all([
      createTestDatabase(serverUrl === undefined ? {} : { serverUrl }),
      startMoneySimulator({ port: 0, token: 'test-token', latencyMs: 5 }),
    ])
    const run = uniqueName('t').replaceAll('_', '-')
    const redisUrl = new URL(stack.REDIS_URL!)
    redisUrl.pathname = `/${Number(process.env.JEST_WORKER_ID) + 1}`
    const env = {
      PATH: process.env.PATH!,
      DATABASE_URL: db.url,
      REDIS_URL: redisUrl.href,
      KAFKA_BROKERS: stack.KAFKA_BROKERS!,
      KAFKA_GROUP_ID: run,
      MONEY_API_URL: `http://127.0.0.1:${money.port}`,
      MONEY_API_TOKEN: 'test-token',
      MONEY_API_TIMEOUT_MS: '1000',
      DATABASE_TIMEOUT_MS: '2000',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '6000',
      SWEEP_AGE_MS: '1500',
      SWEEP_INTERVAL_MS: '500',
      COMPLETION_QUIET_MS: '60000',
      RETRY_BACKOFF_BASE_MS: '50',
      RETRY_BACKOFF_MAX_MS: '500',
      ...Object.fromEntries(
        TOPICS.map(name => [`KAFKA_TOPIC_${name}`, `${run}-${name.toLowerCase().replace('_', '-')}`]),
      ),
      ...overrides,
    }
    const kafka = createKafka({
      brokers: env.KAFKA_BROKERS.split(','),
      clientId: 'test',
      ssl: false,
      logger: createLogger('test', 'silent'),
    })
    const system = new TestSystem({ env, db, money, kafka })
    await system.redis.flushdb()
    await ensureTopics(
      kafka,
      TOPICS.map(name => system.topic(name)),
      4,
    )
    await system.events.start()
    return system
  }

  topic(name: TopicName): string {
    return this.env[`KAFKA_TOPIC_${name}`]!
  }

  /** @param entry the program, where it is not the one of its kind in these sources. */
  async start(
    kind: 'listener' | 'worker' | 'admin',
    overrides: Record<string, string> = {},
    entry?: string,
  ): Promise<Child> {
    const name = `${kind}-${this.#children.length}`
    const child = await startChild({
      kind,
      name,
      env: { ...this.env, ...overrides },
      logFolder: this.#logFolder,
      keep: false,
      ...(entry === undefined ? {} : { entry }),
    })
    this.#children.push(child)
    return child
  }

  /** A promotion of its own, in the given state. */
  async promotion(type: PromotionType, status: string, totalCount = 0): Promise<string> {
    const id = String(uniqueId())
    await this.promotions.create({ id, name: 'test', type, totalCount })
    if (status !== 'READY') {
      await sql`update campaign_promotion set status = ${status} where id = ${id}::bigint`.execute(this.kysely)
    }
    return id
  }

  /** Publishes raw values, in order, all with one key unless it is told otherwise. */
  async publish(name: TopicName, values: readonly string[], key = 'k'): Promise<void> {
    await Promise.all(values.map(value => this.events.publish({ topic: this.topic(name), key, value })))
  }

  /** Vouchers, a message each. */
  publishGifts(promotionId: string, targets: readonly string[]): Promise<void> {
    return this.publish(
      'VOUCHER',
      targets.map(targetId => giftJson('VOUCHER', { promotionId, targetId })),
    )
  }

  publishStarted(promotionId: string, type: PromotionType, totalCount: number): Promise<void> {
    return this.publish('STARTED', [JSON.stringify({ promotionId, totalCount, type })])
  }

  async countByStatus(id: string, type: PromotionType) {
    return this.promotions.countByStatus({ id, type })
  }

  /** Waits for a state of the world; every wait of a test goes through here, with what it waited for in its error. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs = 20_000): Promise<T> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const seen = await look()
      if (seen !== undefined && seen !== false) return seen
      if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`)
      await sleep(20)
    }
  }

  async control(settings: Record<string, unknown>): Promise<void> {
    const response = await fetch(`${this.moneyUrl}/control`, { method: 'PUT', body: JSON.stringify(settings) })
    if (!response.ok) throw new Error(await response.text())
  }

  async charges(promotionId: string): Promise<Record<string, string>[]> {
    const text = await (await fetch(`${this.moneyUrl}/ledger/charges?promotionId=${promotionId}`)).text()
    return text
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Record<string, string>)
  }

  async requests(): Promise<Record<string, unknown>[]> {
    const text = await (await fetch(`${this.moneyUrl}/ledger/requests`)).text()
    return text
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Record<string, unknown>)
  }

  /** Every record of a topic, parsed; reads until it has as many as the topic holds. */
  async records(name: TopicName): Promise<Record<string, unknown>[]> {
    const admin = this.kafka.admin()
    await admin.connect()
    const offsets = await admin.fetchTopicOffsets(this.topic(name))
    await admin.disconnect()
    const expected = offsets.reduce((sum, { high }) => sum + Number(high), 0)
    const records: Record<string, unknown>[] = []
    if (expected === 0) return records
    const consumer = this.kafka.consumer({ groupId: uniqueName('reader'), maxWaitTimeInMs: 100 })
    await consumer.connect()
    await consumer.subscribe({ topics: [this.topic(name)], fromBeginning: true })
    const all = Promise.withResolvers<void>()
    await consumer.run({
      eachMessage: async ({ message }) => {
        records.push(JSON.parse(message.value!.toString()) as Record<string, unknown>)
        if (records.length >= expected) all.resolve()
      },
    })
    await all.promise
    await consumer.disconnect()
    return records
  }

  /** Kafka's committed lag of one of the listener's groups. */
  async lag(suffix: string, name: TopicName): Promise<number> {
    const admin = this.kafka.admin()
    await admin.connect()
    try {
      const ends = await admin.fetchTopicOffsets(this.topic(name))
      const [committed] = await admin.fetchOffsets({
        groupId: `${this.env.KAFKA_GROUP_ID}-${suffix}`,
        topics: [this.topic(name)],
      })
      const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]))
      return ends.reduce((sum, { partition, high }) => sum + Number(high) - (at.get(partition) ?? 0), 0)
    } finally {
      await admin.disconnect()
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(child => child.stop()))
    await this.events.stop()
    this.redis.disconnect()
    await this.#money.close()
    await this.db.drop()
  }
}

/** Targets that no other test has. */
export function targetsOf(count: number): string[] {
  const first = uniqueId() * 10_000n
  return Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
}

/** A gift's message, ids as the caller writes them. */
export function giftJson(type: PromotionType, fields: Record<string, unknown>): string {
  const target = type === 'VOUCHER' ? 'voucherTargetId' : 'pointTargetId'
  const { targetId, ...others } = fields
  const base = { promotionSummaryId: '1', partitionKey: 'k', memberId: '7', amount: '100' }
  return JSON.stringify({ ...base, ...others, [target]: targetId })
}
