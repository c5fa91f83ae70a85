import { Command } from 'commander'
import { redisAddressOf } from '#bin/connections.ts'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { redisCliSchema } from '#config/schemas.ts'
import type { Database } from '#database/database.ts'
import { createProcessRepository } from '#database/processes.ts'
import { type CredentialsRefusal, clearCredentialsLatch } from '#money/credentials-latch.ts'
import { assertNoStranger } from '#promotion/redis-owner.ts'
import { CodedError } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient, REDIS_START_MS } from '#runtime/redis.ts'
import { describeRefusal } from '#runtime/redis-refusal.ts'
import { withChange } from './change.ts'
import { print } from './command-line.ts'
import { withDatabase } from './context.ts'

export const resumeCallsCommand = new Command('resume-calls')
  .description('call the Money API again after it refused our credentials: every instance, within two seconds')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream resume-calls')
  .action(async (options: { json?: boolean }) => {
    const refusal = await withDatabase(({ database }) =>
      withChange(database.kysely, { what: 'money.resume-calls', target: 'money-api' }, () => clear(database)),
    )
    const value = { wasRefused: refusal !== undefined, since: refusal?.since ?? null, code: refusal?.code ?? null }
    print(options, value, () => [
      refusal === undefined
        ? 'calls were not blocked: no instance has reported refused credentials'
        : `calls go on; they were blocked since ${refusal.since} (${refusal.code})`,
    ])
  })

async function clear(database: Database): Promise<CredentialsRefusal | undefined> {
  const config = loadConfig(redisCliSchema, processEnvironment())
  const logger = createLogger('cli', 'silent')
  const { REDIS_KEY_PREFIX: keyPrefix } = config
  const address = redisAddressOf(config)
  const bare = createRedisClient({ ...address, logger })
  const redis = createRedisClient({ ...address, keyPrefix, logger })
  try {
    // One after the other: a Redis that refuses us is said once.
    for (const each of [bare, redis]) await connectRedis(each, REDIS_START_MS)
    const processes = createProcessRepository(database.kysely)
    const owned = { processes, redis: [{ variable: 'REDIS_URL' as const, client: bare }], keyPrefix }
    await assertNoStranger(owned, await processes.identity())
    return await clearCredentialsLatch(redis).catch(cause => {
      throw new CodedError('REDIS_REFUSED', describeRefusal(redis, 'REDIS_URL', cause), { cause })
    })
  } finally {
    bare.disconnect()
    redis.disconnect()
  }
}
