import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { migrate, openDatabase } from '#database/database.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions.ts'
import { describeAccount, isBalanced, takeAccount } from '#demo/account.ts'
import { type Child, startChild } from '#demo/children.ts'
import { type DemoPromotion, publishGifts } from '#demo/gifts.ts'
import { watchUntilFinal } from '#demo/watch.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { createEventProvider, type EventProviderService } from '#kafka/event-provider.ts'
import { countRecords } from '#kafka/offsets.ts'
import { ensureTopics } from '#kafka/topics.ts'
import type { MoneyOptions } from '#local/money-server.ts'
import { type Stack, startStack } from '#local/stack.ts'
import { promotionStream } from '#queues/promotion-stream.ts'
import type { PromotionType } from '#queues/promotion-type.ts'
import { createLogger } from '#runtime/logger.ts'

const TOPICS = ['started', 'voucher', 'point', 'voucher-retry', 'point-retry', 'invalid', 'completed']

/** For every run, unless it says otherwise: quick, so that a fault is felt. */
const SETTINGS = {
  MONEY_API_TIMEOUT_MS: '1000',
  DATABASE_TIMEOUT_MS: '1000',
  REDIS_STREAM_CLAIM_MIN_IDLE_MS: '10000',
  SWEEP_AGE_MS: '15000',
  SWEEP_INTERVAL_MS: '5000',
  RETRY_BACKOFF_MAX_MS: '5000',
  SHUTDOWN_TIMEOUT_MS: '3000',
}

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
  /** Servers to use instead of ones of the run's own. */
  servers?: Record<string, string>
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
  readonly #logFolder = mkdtempSync(join(tmpdir(), 'promostream-chaos-'))
  readonly #planned: DemoPromotion[] = []
  readonly #logFiles: string[] = []
  #closeDatabase: () => Promise<void>

  private constructor(parts: {
    stack: Stack
    env: Record<string, string>
    kysely: Kysely<unknown>
    events: EventProviderService
    kafka: KafkaClient
    closeDatabase(): Promise<void>
  }) {
    this.stack = parts.stack
    this.env = parts.env
    this.kysely = parts.kysely
    this.events = parts.events
    this.kafka = parts.kafka
    this.#closeDatabase = parts.closeDatabase
    this.promotions = createPromotionRepository(parts.kysely)
    this.redis = new Redis(parts.env.REDIS_URL!, { retryStrategy: () => 50 })
    this.redis.on('error', () => undefined)
  }

  static async start(options: ChaosOptions = {}): Promise<ChaosSystem> {
    const money = { latencyMs: 50, ...options.money }
    const stack = await startStack({ env: { ...process.env, ...options.servers }, money, onProgress: say })
    const env: Record<string, string> = { PATH: process.env.PATH!, ...stack.env, ...SETTINGS, ...options.env }
    const databaseOptions = { url: env.DATABASE_URL!, poolMax: 4, timeoutMs: 60_000 }
    await migrate(databaseOptions)
    const database = await openDatabase(databaseOptions)
    await watchFinalStates(database.kysely)
    const brokers = env.KAFKA_BROKERS!.split(',')
    const kafka = createKafka({ brokers, clientId: 'chaos', ssl: false, logger: createLogger('chaos', 'silent') })
    await ensureTopics(kafka, TOPICS.map(topicOf), 4)
    const events = createEventProvider(kafka)
    await events.start()
    const closeDatabase = () => database.orm.close(true)
    return new ChaosSystem({ stack, env, kysely: database.kysely, events, kafka, closeDatabase })
  }

  /** `entry`: a program of test/support that stands for the process. */
  async child(
    kind: 'listener' | 'worker',
    env: Record<string, string | undefined> = {},
    entry?: string,
  ): Promise<Child> {
    const name = `${kind}-${this.#logFiles.length}`
    this.#logFiles.push(join(this.#logFolder, `${name}.log`))
    const child = await startChild({
      kind,
      name,
      env: { ...this.env, ...env } as Record<string, string>,
      logFolder: this.#logFolder,
      keep: false,
      ...(entry === undefined ? {} : { entry: fileURLToPath(new URL(entry, import.meta.url)) }),
    })
    this.children.add(child)
    void child.ended.then(() => this.children.delete(child))
    return child
  }

  async stopChildren(): Promise<void> {
    await Promise.all([...this.children].map(child => child.stop()))
  }

  /** A READY promotion whose gifts are still to be published. */
  async plan(gifts: number, type: PromotionType = 'VOUCHER', totalCount = gifts): Promise<DemoPromotion> {
    const index = this.#planned.length
    const id = String(1000 + index)
    const firstTargetId = 9_100_000_000_000_000_000n + BigInt(index) * 10_000_000n
    const promotion = { id, type, topic: topicOf(type.toLowerCase()), gifts, firstTargetId }
    this.#planned.push(promotion)
    await this.promotions.create({ id, type, name: 'chaos', totalCount })
    return promotion
  }

  async run({ id, type, gifts }: DemoPromotion): Promise<void> {
    await this.promotions.start(id, gifts)
    const value = JSON.stringify({ promotionId: id, totalCount: gifts, type })
    await this.events.publish({ topic: topicOf('started'), key: id, value })
  }

  publish(promotion: DemoPromotion): Promise<number> {
    return publishGifts(this.events, promotion)
  }

  count(promotion: DemoPromotion) {
    return this.promotions.countByStatus(promotion)
  }

  async rows(promotion: DemoPromotion): Promise<number> {
    return Object.values(await this.count(promotion)).reduce((sum, count) => sum + count, 0)
  }

  streamKey({ id, type }: DemoPromotion): string {
    return promotionStream(type).streamKey(id)
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

  /** Waits until every gift of the promotions is final. @returns seconds. */
  async drain(promotions: readonly DemoPromotion[] = this.#planned): Promise<number> {
    const startedAt = performance.now()
    await watchUntilFinal({
      kysely: this.kysely,
      promotions,
      messages: promotions.reduce((sum, { gifts }) => sum + gifts, 0),
      progress: { update: () => undefined, stop: () => undefined },
      isPublished: () => true,
      countInvalid: () => countRecords(this.kafka, topicOf('invalid')),
    })
    return seconds(startedAt)
  }

  /** How often a line with this text stands in the processes' logs. */
  logged(text: string): string[] {
    return this.#logFiles.flatMap(file =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(line => line.includes(text)),
    )
  }

  /** Rows that upkeep or a rebuild put back on streams, by what the processes logged. */
  requeued(): number {
    return this.logged('rows without an entry were put back')
      .map(line => (JSON.parse(line) as { requeued: number }).requeued)
      .reduce((sum, count) => sum + count, 0)
  }

  /**
   * The account over everything that was planned, I1 to I5; ends the processes and the servers, prints one JSON line and
   * sets the exit code. `checks` are the run's own figures against what they must be.
   */
  async close(run: string, figures: Record<string, unknown>, checks: Record<string, boolean>): Promise<void> {
    const messages = this.#planned.reduce((sum, { gifts }) => sum + gifts, 0)
    const [invalid, moneyUrl] = [await countRecords(this.kafka, topicOf('invalid')), this.env.MONEY_API_URL!]
    const account = await takeAccount({ kysely: this.kysely, promotions: this.#planned, messages, invalid, moneyUrl })
    for (const line of describeAccount(account)) say(line)
    const left = await this.#leftOnStreams()
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from chaos_left_final`.execute(
      this.kysely,
    )
    const all = {
      ...checks,
      accountBalances: isBalanced(account),
      nothingLeftOnStreams: left === 0,
      finalStaysFinal: rows[0]!.count === 0,
    }
    const failed = Object.keys(all).filter(name => !all[name as keyof typeof all])
    await this.stopChildren()
    this.redis.disconnect()
    await this.events.stop()
    await this.#closeDatabase()
    await this.stack.close()
    const { missing, duplicateCharges, disagreements, states } = account
    const verdict = { run, ok: failed.length === 0, failed }
    process.stdout.write(
      `${JSON.stringify({ ...verdict, ...figures, messages, missing, duplicateCharges, disagreements, states })}\n`,
    )
    process.exitCode = failed.length === 0 ? 0 : 1
  }

  async #leftOnStreams(): Promise<number> {
    const look = async () => {
      const lengths = await Promise.all(this.#planned.map(promotion => this.redis.xlen(this.streamKey(promotion))))
      return lengths.reduce((sum, length) => sum + length, 0)
    }
    await this.until('empty streams', async () => (await look()) === 0, 20_000).catch(() => undefined)
    return look()
  }
}

export function seconds(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 10) / 100
}

/** I4: a row that leaves SUCCESS or FAILED is written down. */
async function watchFinalStates(kysely: Kysely<unknown>): Promise<void> {
  await sql`create table chaos_left_final (target text, was text, became text)`.execute(kysely)
  await sql`
    create function chaos_note() returns trigger language plpgsql as $$ begin
      insert into chaos_left_final values (old.message, old.process_status, new.process_status); return null;
    end $$`.execute(kysely)
  for (const kind of ['voucher', 'point']) {
    await sql`
      create trigger chaos_final after update on ${sql.table(`campaign_promotion_${kind}_result`)} for each row
      when (old.process_status in ('SUCCESS', 'FAILED') and old.process_status <> new.process_status)
      execute function chaos_note()`.execute(kysely)
  }
}
