import { databaseOf, kafkaOf } from '#bin/foundation.ts'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { type CliConfig, cliSchema } from '#config/schemas.ts'
import type { Database } from '#database/database.ts'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions.ts'
import { createEventProvider } from '#kafka/event-provider.ts'
import { createLogger } from '#runtime/logger.ts'

/** What a command works with. */
export interface CommandContext {
  config: CliConfig
  database: Database
  promotions: PromotionRepository
}

/** Runs a command on an open database, and closes it again. */
export async function withDatabase<T>(work: (context: CommandContext) => Promise<T>): Promise<T> {
  const config = loadConfig(cliSchema, processEnvironment())
  const database = await databaseOf(config)
  try {
    await database.start()
    return await work({ config, database, promotions: createPromotionRepository(database.kysely) })
  } finally {
    await database.stop()
  }
}

/** Publishes one event, or does nothing where no Kafka is named: reconciling finds the change all the same. */
export async function publishIfKafka(
  config: CliConfig,
  event: { topic: string; key: string; value: string },
): Promise<boolean> {
  const { KAFKA_BROKERS: brokers } = config
  if (brokers === undefined) return false
  const kafka = kafkaOf({ ...config, KAFKA_BROKERS: brokers }, createLogger('cli', 'silent'))
  const events = createEventProvider(kafka)
  await events.start()
  try {
    await events.publish(event)
    return true
  } finally {
    await events.stop()
  }
}
