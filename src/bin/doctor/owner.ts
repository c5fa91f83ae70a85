import type { DatabaseConfig, RedisConfig } from '#config/schemas.ts'
import { openDatabase } from '#database/database.ts'
import { createProcessRepository, type DatabaseIdentity } from '#database/processes.ts'
import { type OwnedRedis, readOwner } from '#promotion/redis-owner.ts'
import { createLogger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { redisAddressOf, streamAddressOf } from '../connections.ts'
import { type Finding, findingsOf } from './finding.ts'

const TIMEOUT_MS = 3000
const REMEDY = 'give one of them another REDIS_KEY_PREFIX, or take it over with «promostream own-redis --take-over»'

/** Which database has marked each Redis under our prefix? A server that is away is another look's finding. */
export async function examineOwner(redis: RedisConfig, database: DatabaseConfig | undefined): Promise<Finding[]> {
  const identity = database === undefined ? undefined : await identityOf(database).catch(() => undefined)
  const { REDIS_URL: url, REDIS_STREAM_URL: streamUrl } = redis
  const findings = [await ownerFinding('redis', 'REDIS_URL', redis, identity)]
  if (streamUrl !== undefined && streamUrl !== url)
    findings.push(await ownerFinding('streams', 'REDIS_STREAM_URL', redis, identity))
  return findings.filter(finding => finding !== undefined)
}

async function identityOf({ DATABASE_URL: url }: DatabaseConfig): Promise<DatabaseIdentity> {
  const database = await openDatabase({ url, poolMax: 1, timeoutMs: TIMEOUT_MS })
  try {
    return await createProcessRepository(database.kysely).identity()
  } finally {
    await database.orm.close(true)
  }
}

async function ownerFinding(
  area: string,
  variable: OwnedRedis['variable'],
  config: RedisConfig,
  identity: DatabaseIdentity | undefined,
): Promise<Finding | undefined> {
  const { ok, failed, unknown } = findingsOf(area)
  const { REDIS_KEY_PREFIX: keyPrefix } = config
  const client = await connected(config, variable).catch(() => undefined)
  if (client === undefined) return undefined
  try {
    const mark = await readOwner({ variable, client }, keyPrefix)
    const under = keyPrefix === '' ? '' : `, under REDIS_KEY_PREFIX=${keyPrefix}`
    if (mark === undefined) return ok('owner', `nobody yet${under}`)
    const owner = `the database ${mark.name} (system ${mark.system})`
    if (identity === undefined || (identity.system === mark.system && identity.name === mark.name))
      return ok('owner', `${owner}${under}`)
    return failed(
      'owner',
      `it belongs to ${owner}${under}, and DATABASE_URL is ${identity.name} (system ${identity.system})`,
      REMEDY,
    )
  } catch (error) {
    return unknown('owner', error, `see the reason; is ${variable} ours?`)
  } finally {
    client.disconnect()
  }
}

/** Disconnects what it cannot use. */
async function connected(config: RedisConfig, variable: OwnedRedis['variable']) {
  const logger = createLogger('doctor', 'silent')
  const address = variable === 'REDIS_URL' ? redisAddressOf(config) : streamAddressOf(config)
  const client = createRedisClient({ ...address, logger, commandTimeoutMs: TIMEOUT_MS })
  await connectRedis(client, TIMEOUT_MS, variable)
  return client
}
