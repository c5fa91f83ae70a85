import { Command } from 'commander'
import { ownedRedis, retryRedisOf, streamConnectionOf } from '#bin/connections.ts'
import type { RedisConfig } from '#config/schemas.ts'
import { createProcessRepository } from '#database/processes.ts'
import { type OwnedRedis, type OwnerMark, readOwner, takeOver } from '#promotion/redis-owner.ts'
import { CodedError } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { print } from './command-line.ts'
import { withDatabase } from './context.ts'

interface OwnRedisOptions {
  takeOver?: boolean
  json?: boolean
}

interface Owner {
  variable: string
  owner: OwnerMark | null
}

export const ownRedisCommand = new Command('own-redis')
  .description('say which database this Redis belongs to, or make it belong to DATABASE_URL')
  .option('--take-over', 'make it belong to DATABASE_URL: processes of the database that had it end with an error')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream own-redis --take-over')
  .action(async (options: OwnRedisOptions) => {
    const report = await run(options)
    print(options, report, () => [
      ...report.owners.map(
        ({ variable, owner }) =>
          `${variable}: ${owner === null ? 'belongs to nobody yet' : `belonged to ${owner.name} (system ${owner.system}) since ${owner.since}`}`,
      ),
      options.takeOver
        ? `now it belongs to ${report.database.name} (system ${report.database.system})`
        : `DATABASE_URL is ${report.database.name} (system ${report.database.system})`,
    ])
  })

function run({ takeOver: shouldTakeOver }: OwnRedisOptions) {
  return withDatabase(async ({ config, database }) => {
    const { REDIS_URL: url, REDIS_KEY_PREFIX: keyPrefix } = config
    if (url === undefined) throw new CodedError('CONFIG', 'REDIS_URL is not set')
    const identity = await createProcessRepository(database.kysely).identity()
    await using parts = new AsyncDisposableStack()
    const owners: Owner[] = []
    for (const redis of await ownedRedisOf({ ...config, REDIS_URL: url }, parts)) {
      owners.push({ variable: redis.variable, owner: (await readOwner(redis, keyPrefix)) ?? null })
      if (shouldTakeOver) await takeOver(redis, keyPrefix, identity)
    }
    return { database: identity, owners }
  })
}

async function ownedRedisOf(config: RedisConfig, parts: AsyncDisposableStack): Promise<OwnedRedis[]> {
  const logger = createLogger('cli', 'silent')
  const redis = retryRedisOf(config, logger)
  parts.use(redis.service)
  await redis.service.start()
  const stream = streamConnectionOf(config, logger)
  parts.use(stream.service)
  await stream.service.start()
  return ownedRedis(config, redis, stream)
}
