import { Command } from 'commander'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { redisCliSchema } from '#config/schemas.ts'
import { type CredentialsRefusal, clearCredentialsLatch } from '#money/credentials-latch.ts'
import { CodedError } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient, REDIS_START_MS } from '#runtime/redis.ts'
import { describeRefusal } from '#runtime/redis-refusal.ts'
import { withChange } from './change.ts'
import { withDatabase } from './context.ts'
import { print } from './output.ts'

export const resumeCallsCommand = new Command('resume-calls')
  .description('call the Money API again after it refused our credentials: every instance, within two seconds')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream resume-calls')
  .action(async (options: { json?: boolean }) => {
    const refusal = await withDatabase(({ database }) =>
      withChange(database.kysely, { what: 'money.resume-calls', target: 'money-api' }, clear),
    )
    const value = { wasRefused: refusal !== undefined, since: refusal?.since ?? null, code: refusal?.code ?? null }
    print(options, value, () => [
      refusal === undefined
        ? 'calls were not held back: no instance has reported refused credentials'
        : `calls go on; they were held back since ${refusal.since} (${refusal.code})`,
    ])
  })

async function clear(): Promise<CredentialsRefusal | undefined> {
  const config = loadConfig(redisCliSchema, processEnvironment())
  const logger = createLogger('cli', 'silent')
  const redis = createRedisClient({
    url: config.REDIS_URL,
    cluster: config.REDIS_CLUSTER,
    keyPrefix: config.REDIS_KEY_PREFIX,
    logger,
  })
  try {
    await connectRedis(redis, REDIS_START_MS)
    return await clearCredentialsLatch(redis).catch(cause => {
      throw new CodedError('REDIS_REFUSED', describeRefusal(redis, 'REDIS_URL', cause), { cause })
    })
  } finally {
    redis.disconnect()
  }
}
