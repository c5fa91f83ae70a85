import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, migrate, openDatabase } from '#database/database.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions.ts'
import { type Account, takeAccount } from '#demo/account.ts'
import { type Child, startChild } from '#demo/children.ts'
import type { DemoPromotion } from '#demo/gifts.ts'
import { planPromotions } from '#demo/run.ts'
import { watchUntilFinal } from '#demo/watch.ts'
import { createKafka, type KafkaClient } from '#kafka/client.ts'
import { createEventProvider, type EventProviderService } from '#kafka/event-provider.ts'
import { countRecords } from '#kafka/offsets.ts'
import { ensureTopics } from '#kafka/topics.ts'
import type { MoneyOptions } from '#local/money-server.ts'
import { startStack } from '#local/stack.ts'
import { createLogger } from '#runtime/logger.ts'

/** One installation for a chaos run: embedded servers, database, topics, and processes to be started. */
export interface Installation {
  env: Record<string, string>
  database: Database
  repository: PromotionRepository
  kafka: KafkaClient
  events: EventProviderService
  start(kind: 'listener' | 'worker'): Promise<Child>
  /** Half vouchers, half points; READY. */
  plan(messages: number): Promise<DemoPromotion[]>
  /** Waits until every gift is final, or nothing has moved for two minutes; then takes the account. */
  drain(promotions: readonly DemoPromotion[], messages: number): Promise<Account>
  close(): Promise<void>
}

const TOPICS = ['started', 'voucher', 'point', 'voucher-retry', 'point-retry', 'invalid', 'completed']
const topic = (name: string) => `prepay-campaign-promotion-${name}`

export async function openInstallation(options: {
  money: MoneyOptions
  settings?: Record<string, string>
  say(line: string): void
}): Promise<Installation> {
  const stack = await startStack({ env: process.env, money: options.money, onProgress: options.say })
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    ...stack.env,
    MONEY_API_TIMEOUT_MS: '1000',
    DATABASE_TIMEOUT_MS: '1000',
    REDIS_STREAM_CLAIM_MIN_IDLE_MS: '10000',
    SWEEP_AGE_MS: '15000',
    SWEEP_INTERVAL_MS: '5000',
    RETRY_BACKOFF_MAX_MS: '5000',
    REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '64',
    ...options.settings,
  }
  const databaseOptions = { url: env.DATABASE_URL ?? '', poolMax: 4, timeoutMs: 30_000 }
  await migrate(databaseOptions)
  const database = await openDatabase(databaseOptions)
  const brokers = (env.KAFKA_BROKERS ?? '').split(',')
  const kafka = createKafka({ brokers, clientId: 'chaos', ssl: false, logger: createLogger('chaos', 'silent') })
  await ensureTopics(kafka, TOPICS.map(topic), 4)
  const events = createEventProvider(kafka)
  await events.start()

  const repository = createPromotionRepository(database.kysely)
  const logFolder = mkdtempSync(join(tmpdir(), 'promostream-chaos-'))
  let started = 0
  const { kysely } = database
  const countInvalid = () => countRecords(kafka, topic('invalid'))
  return {
    env,
    database,
    repository,
    kafka,
    events,
    start: kind => startChild({ kind, name: `${kind}-${started++}`, env, logFolder, keep: false }),
    plan: async messages => {
      const topics = { started: topic('started'), voucher: topic('voucher'), point: topic('point') }
      const promotions = planPromotions(messages, topics)
      for (const { id, type, gifts } of promotions)
        await repository.create({ id, type, name: 'chaos', totalCount: gifts })
      return promotions
    },
    drain: async (promotions, messages) => {
      const progress = { update: () => undefined, stop: () => undefined }
      await watchUntilFinal({ kysely, promotions, messages, progress, isPublished: () => true, countInvalid })
      const invalid = await countInvalid()
      return takeAccount({ kysely, promotions, messages, invalid, moneyUrl: env.MONEY_API_URL ?? '' })
    },
    close: async () => {
      await events.stop()
      await database.stop()
      await stack.close()
    },
  }
}
