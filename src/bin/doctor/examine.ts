import type { z } from 'zod'
import type { Environment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { areaSchemas } from '#config/schemas.ts'
import { redisAddressOf, streamAddressOf, streamSettingOf } from '../connections.ts'
import { examineDatabase } from './database.ts'
import { type Finding, orFailed } from './finding.ts'
import { examineKafka } from './kafka.ts'
import { examineMoneyApi } from './money.ts'
import { examineOwner } from './owner.ts'
import { examineRedis } from './redis.ts'
import { examineSettings } from './settings.ts'

/** Looks at everything that the settings name; changes nothing. */
export async function examine(environment: Environment): Promise<Finding[]> {
  const [database, redis, kafka, money] = [
    settingsOf(areaSchemas.database, environment),
    settingsOf(areaSchemas.redis, environment),
    settingsOf(areaSchemas.kafka, environment),
    settingsOf(areaSchemas.money, environment),
  ]
  const looks: Promise<Finding[]>[] = [Promise.resolve(examineSettings(environment))]
  // What cannot be read from the settings stands among the findings already.
  if (database !== undefined) looks.push(orFailed('database', () => examineDatabase(database)))
  if (redis !== undefined) {
    looks.push(
      orFailed('redis', () => examineRedis({ area: 'redis', setting: 'REDIS_URL', ...redisAddressOf(redis) })),
      orFailed('streams', () =>
        examineRedis({ area: 'streams', setting: streamSettingOf(redis), ...streamAddressOf(redis) }),
      ),
    )
    looks.push(orFailed('redis', () => examineOwner(redis, database)))
  }
  if (kafka !== undefined) looks.push(orFailed('kafka', () => examineKafka(kafka)))
  if (money !== undefined) looks.push(orFailed('money-api', () => examineMoneyApi(money)))
  return (await Promise.all(looks)).flat()
}

function settingsOf<Schema extends z.ZodObject>(schema: Schema, environment: Environment) {
  try {
    return loadConfig(schema, environment)
  } catch {
    return undefined
  }
}
