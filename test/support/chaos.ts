import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import type { Kysely } from 'kysely'
import { migrate, openDatabase } from '#database/database.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { createEventProvider, type EventProviderService } from '#kafka/event-provider.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { countSkipped, countStates } from '#local/demo/account.ts'
import { type Child, startChild } from '#local/demo/children.ts'
import { type DemoPromotion, publishGifts } from '#local/demo/gifts.ts'
import { type Stack, startStack } from '#local/embedded-stack.ts'
import type { MoneyOptions } from '#local/money-api/money-server.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { dropUniqueKeys, keepHistory } from '../chaos/history.ts'
import { countCharges } from '../chaos/ledger.ts'
import { Samples } from '../chaos/samples.ts'
import { SETTINGS, TOPICS } from './chaos-settings.ts'
import { ProcessLogs } from './process-logs.ts'

/** Nothing has moved for so long: it is not going to. */
const STALLED_MS = 60_000
/** Retry jobs of one worker under way at once. */
const RETRIES_AT_ONCE = 128

export function topicOf(name: string): string {
  return `prepay-campaign-promotion-${name}`
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

export interface ChaosOptions {
  money?: MoneyOptions
  /** Settings of the processes that differ. */
  env?: Record<string, string>
  /** Of Node.js for the processes, after those of a user's. */
  nodeFlags?: readonly string[]
  /** Servers to use instead of ones of the run's own. */
  servers?: Record<string, string>
  /** A connection to the Redis of `servers`, where its URL alone makes none; the system closes it. */
  redis?: Redis | undefined
  /** What the Money API draws its faults from. */
  seed?: number
}

/** A whole installation of its own for one fault run: servers, processes that may be killed, and the account at the end. */
export class ChaosSystem {
  readonly stack: Stack
  readonly env: Record<string, string>
  readonly kysely: Kysely<unknown>
  readonly promotions: PromotionRepository
  readonly events: EventProviderService
  readonly kafka: KafkaClient
  readonly redis: Redis
  readonly children = new Set<Child>()
  readonly #logs = new ProcessLogs()
  readonly planned: DemoPromotion[] = []
  #nextId = 1000
  /** Messages that Kafka acknowledged, by promotion. */
  readonly published = new Map<string, number>()
  /** Targets whose messages belong on the invalid topic. */
  readonly invalid = new Set<string>()
  readonly samples: Samples
  kills = 0
  /** Kills of a process that was at something: a call, a batch, an entry. */
  killsInFlight = 0
  /** POSTs that faults of the scenario explain, beside its kills. */
  repeats = 0
  /** Of the listeners that came last. */
  groupId: string
  #nodeFlags: readonly string[] = []
  readonly #afterwards: (() => Promise<void>)[] = []
  #closeDatabase: () => Promise<void>

  private constructor(parts: {
    stack: Stack
    env: Record<string, string>
    kysely: Kysely<unknown>
    events: EventProviderService
    kafka: KafkaClient
    closeDatabase(): Promise<void>
    redis: Redis | undefined
  }) {
    this.stack = parts.stack
    this.env = parts.env
    this.kysely = parts.kysely
    this.events = parts.events
    this.kafka = parts.kafka
    this.#closeDatabase = parts.closeDatabase
    this.promotions = createPromotionRepository(parts.kysely)
    this.redis = parts.redis ?? new Redis(parts.env.REDIS_URL!, { retryStrategy: () => 50 })
    this.redis.on('error', () => undefined)
    this.groupId = parts.env.KAFKA_GROUP_ID ?? 'promostream'
    this.samples = new Samples(parts.kysely, () => countCharges(parts.env.MONEY_API_URL!))
  }

  static async start(options: ChaosOptions = {}): Promise<ChaosSystem> {
    const money = { latencyMs: 50, seed: options.seed ?? 1, recordRequests: true, ...options.money }
    const stack = await startStack({ env: { ...process.env, ...options.servers }, money, onProgress: say })
    const env: Record<string, string> = { PATH: process.env.PATH!, ...stack.env, ...SETTINGS, ...options.env }
    const databaseOptions = { url: env.DATABASE_URL!, poolMax: 4, timeoutMs: 60_000 }
    await migrate(databaseOptions)
    const { kysely, orm } = await openDatabase(databaseOptions)
    await keepHistory(kysely)
    if (process.env.PROMOSTREAM_PLANT === 'no-unique-key') await dropUniqueKeys(kysely)
    const brokers = env.KAFKA_BROKERS!.split(',')
    const kafka = createKafka({ brokers, clientId: 'chaos', ssl: false, logger: createLogger('chaos', 'silent') })
    await ensureTopics(kafka, TOPICS.map(topicOf), 4)
    const events = createEventProvider(kafka)
    await events.start()
    const parts = { stack, env, kysely, events, kafka, closeDatabase: () => orm.close(true), redis: options.redis }
    const system = new ChaosSystem(parts)
    system.#nodeFlags = options.nodeFlags ?? []
    return system
  }

  /** `entry`: a program of test/support that stands for the process. */
  async child(
    kind: 'listener' | 'worker' | 'admin',
    env: Record<string, string | undefined> = {},
    entry?: string,
  ): Promise<Child> {
    const name = this.#logs.add(kind)
    // Bugs to be noticed are planted in processes of the test build alone.
    const plant = process.env.PROMOSTREAM_PLANT
    const planted = plant === undefined ? {} : { PROMOSTREAM_PLANT: plant }
    const program = entry ?? (plant === undefined ? undefined : `../chaos/build/${kind}.ts`)
    const child = await startChild({
      kind,
      name,
      env: { ...this.env, ...planted, ...env } as Record<string, string>,
      nodeFlags: this.#nodeFlags,
      logFolder: this.#logs.folder,
      keep: false,
      ...(program === undefined ? {} : { entry: fileURLToPath(new URL(program, import.meta.url)) }),
    })
    this.children.add(child)
    void child.ended.then(() => this.children.delete(child))
    return child
  }

  async stopChildren(): Promise<void> {
    await Promise.all([...this.children].map(child => child.stop()))
  }

  /** A READY promotion whose gifts are still to be published; its id is the next one that is wanted. */
  async plan(
    gifts: number,
    type: PromotionType = 'VOUCHER',
    totalCount = gifts,
    isWanted: (id: string) => boolean = () => true,
  ): Promise<DemoPromotion> {
    const index = this.planned.length
    while (!isWanted(String(this.#nextId))) this.#nextId += 1
    const id = String(this.#nextId++)
    const firstTargetId = 9_100_000_000_000_000_000n + BigInt(index) * 10_000_000n
    const promotion = { id, type, topic: topicOf(type.toLowerCase()), gifts, firstTargetId }
    this.planned.push(promotion)
    await this.promotions.create({ id, type, name: 'chaos', totalCount })
    return promotion
  }

  async run({ id, type, gifts }: DemoPromotion): Promise<void> {
    await this.promotions.start(id, gifts)
    const value = JSON.stringify({ promotionId: id, totalCount: gifts, type })
    await this.events.publish({ topic: topicOf('started'), key: id, value })
  }

  /** `ready` is waited for before each chunk, with how many gifts were begun before it. */
  async publish(promotion: DemoPromotion, ready?: (begun: number) => Promise<void>, chunk?: number): Promise<number> {
    const acknowledged = await publishGifts(this.events, promotion, ready, chunk)
    this.published.set(promotion.id, promotion.gifts)
    return acknowledged
  }

  publishedCount(): number {
    return [...this.published.values()].reduce((sum, count) => sum + count, 0)
  }

  /** FLUSHALL; what was being paid is put on streams again. */
  async wipeRedis(): Promise<void> {
    this.repeats += this.children.size * this.callsAtOnce
    await this.redis.flushall()
  }

  /** Does it after everything else has ended. */
  onClose(work: () => Promise<void>): void {
    this.#afterwards.push(work)
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(child: Child): Promise<void> {
    const counts = await Promise.all(this.planned.map(promotion => this.count(promotion).catch(() => undefined)))
    const isInFlight = counts.some(count => count === undefined || count.PENDING + count.RETRYING > 0)
    this.struck()
    // Or a message is still to become a row.
    if (isInFlight || this.published.size < counts.length) this.killsInFlight += 1
    process.kill(child.pid, 'SIGKILL')
    await child.ended
  }

  /** A process was killed; what it had in flight is asked for once more. */
  struck(calls = this.callsAtOnce): void {
    this.kills += 1
    this.repeats += calls
  }

  /** Calls that a process may have under way when it is killed: its slots are free when a row is committed. */
  get callsAtOnce(): number {
    const { WORKER_MAX_IN_FLIGHT: most = '1024', REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: slots = '512' } = this.env
    return Math.min(Number(most), Number(slots) * Math.max(1, this.planned.length)) + RETRIES_AT_ONCE
  }

  async leftOnStream(promotion: DemoPromotion): Promise<{ length: number; pending: number }> {
    const key = this.streamKey(promotion)
    const group = GIFT_TYPES[promotion.type].groupName(promotion.id)
    const pending = await this.redis.xpending(key, group).catch(() => [0])
    return { length: await this.redis.xlen(key), pending: Number(pending[0]) }
  }

  count(promotion: DemoPromotion) {
    return this.promotions.countByStatus(promotion)
  }

  async rows(promotion: DemoPromotion): Promise<number> {
    return Object.values(await this.count(promotion)).reduce((sum, count) => sum + count, 0)
  }

  streamKey({ id, type }: DemoPromotion): string {
    return GIFT_TYPES[type].streamKey(id)
  }

  /** Entries ever added to the stream, those that were trimmed or acknowledged included. */
  async entriesAdded(promotion: DemoPromotion): Promise<number> {
    const info = (await this.redis.xinfo('STREAM', this.streamKey(promotion))) as unknown[]
    return info[info.indexOf('entries-added') + 1] as number
  }

  async control(settings: Record<string, unknown>): Promise<void> {
    const response = await fetch(`${this.env.MONEY_API_URL}/control`, { method: 'PUT', body: JSON.stringify(settings) })
    if (!response.ok) throw new Error(await response.text())
  }

  async until(what: string, look: () => Promise<unknown>, timeoutMs = 120_000, pollMs = 100): Promise<number> {
    const startedAt = performance.now()
    while (!(await look())) {
      if (performance.now() - startedAt > timeoutMs) throw new Error(`waited ${timeoutMs} ms for: ${what}`)
      await sleep(pollMs)
    }
    return seconds(startedAt)
  }

  /** Waits until every gift of the promotions is final, or nothing has moved for a minute. @returns seconds. */
  async drain(promotions: readonly DemoPromotion[] = this.planned): Promise<number> {
    const startedAt = performance.now()
    const gifts = promotions.reduce((sum, promotion) => sum + promotion.gifts, 0)
    let [left, movedAt] = [Number.POSITIVE_INFINITY, performance.now()]
    while (left > 0 && performance.now() - movedAt < STALLED_MS) {
      const before = left
      const states = await countStates(this.kysely, promotions).catch(() => undefined)
      if (states !== undefined) {
        const ended = states.SUCCESS + states.FAILED + states.UNKNOWN + (await countSkipped(this.kysely, promotions))
        left = gifts - ended - this.invalid.size
      }
      if (left !== before) movedAt = performance.now()
      if (left > 0) await sleep(200)
    }
    return seconds(startedAt)
  }

  /** Lines with this text in the processes' logs. */
  logged(text: string): string[] {
    return this.#logs.logged(text)
  }

  /** Rows that upkeep or a rebuild put back on streams, by what the processes logged. */
  requeued(): number {
    return this.#logs.requeued()
  }

  /** Ends the processes and the servers. */
  async close(): Promise<void> {
    await this.samples.stop()
    await this.stopChildren()
    this.redis.disconnect()
    await this.events.stop()
    await this.#closeDatabase()
    await this.stack.close()
    for (const work of this.#afterwards) await work()
  }
}

export function seconds(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 10) / 100
}
