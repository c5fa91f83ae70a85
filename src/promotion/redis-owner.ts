import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { type Cluster, type Redis, ReplyError } from 'ioredis'
import type { DatabaseIdentity, ProcessRepository } from '#database/processes.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { describeRefusal } from '#runtime/redis-refusal.ts'
import { type Service, service } from '#runtime/service.ts'

/** A Redis that we write to, and the variable that names it. */
export interface OwnedRedis {
  variable: 'REDIS_URL' | 'REDIS_STREAM_URL'
  /** Without a key prefix of its own. */
  client: Redis | Cluster
}

export interface RedisOwnerParts {
  processes: ProcessRepository
  redis: readonly OwnedRedis[]
  keyPrefix: string
}

/** The mark in Redis: which database this is the Redis of. */
export interface OwnerMark extends DatabaseIdentity {
  /** ISO 8601. */
  since: string
}

const INTERVAL_MS = 2000
/** Whoever has not reported for this long is not alive, in ms. */
const ALIVE_MS = 10_000

export const ownerKey = (keyPrefix: string) => `${keyPrefix}promostream:owner`

const describeMark = ({ name, system }: DatabaseIdentity) => `the database ${name} (system ${system})`
const describePrefix = (keyPrefix: string) =>
  keyPrefix === '' ? 'no REDIS_KEY_PREFIX' : `REDIS_KEY_PREFIX=${keyPrefix}`

/** The mark under our prefix; undefined when nobody has set one. */
export async function readOwner(redis: OwnedRedis, keyPrefix: string): Promise<OwnerMark | undefined> {
  const text = await named(redis, client => client.get(ownerKey(keyPrefix)))
  return text === null ? undefined : (JSON.parse(text) as OwnerMark)
}

/** Makes this database the owner, whoever was. */
export async function takeOver(redis: OwnedRedis, keyPrefix: string, identity: DatabaseIdentity): Promise<void> {
  await named(redis, client => client.set(ownerKey(keyPrefix), markOf(identity)))
}

/** A refusal says which variable it belongs to: this is the first that is written anywhere. */
async function named<T>(
  { variable, client }: OwnedRedis,
  ask: (client: OwnedRedis['client']) => Promise<T>,
): Promise<T> {
  try {
    return await ask(client)
  } catch (cause) {
    throw new CodedError('REDIS_REFUSED', describeRefusal(client, variable, cause), { cause })
  }
}

function markOf({ system, name }: DatabaseIdentity): string {
  return JSON.stringify({ system, name, since: new Date().toISOString() } satisfies OwnerMark)
}

/**
 * Two installations that write the same keys take each other's entries: the first database that uses a Redis marks it,
 * and the processes of another are refused (`REDIS_OWNER`). So is a process under another prefix than those that live
 * on the same database (`REDIS_KEY_PREFIX`): half the gifts would wait where nobody looks.
 */
export async function assertOwnRedis(parts: RedisOwnerParts, identity: DatabaseIdentity): Promise<void> {
  await assertOnePrefix(parts)
  for (const each of parts.redis) await assertOwner(each, parts.keyPrefix, identity)
}

/** The same refusals for whoever only looks: a Redis that nobody has marked stays so. */
export async function assertNoStranger(parts: RedisOwnerParts, identity: DatabaseIdentity): Promise<void> {
  await assertOnePrefix(parts)
  for (const each of parts.redis) await assertNotMarked(each, parts.keyPrefix, identity)
}

async function assertOnePrefix({ processes, keyPrefix }: RedisOwnerParts): Promise<void> {
  const other = await processes.findOther(keyPrefix, ALIVE_MS)
  if (other !== undefined)
    throw new CodedError(
      'REDIS_KEY_PREFIX',
      `${other.kind} ${other.instance} runs on this database with ${describePrefix(other.keyPrefix)}, this process has ${describePrefix(keyPrefix)}: stop all processes before it is changed`,
    )
}

async function assertOwner(redis: OwnedRedis, keyPrefix: string, identity: DatabaseIdentity): Promise<void> {
  try {
    await named(redis, client => client.set(ownerKey(keyPrefix), markOf(identity), 'NX'))
  } catch (error) {
    // Out of memory it can still be read, and is emptied by whoever starts: the mark is set at a later look.
    if (!isOutOfMemory((error as Error).cause)) throw error
  }
  await assertNotMarked(redis, keyPrefix, identity)
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof ReplyError && errorLine(error).startsWith('OOM ')
}

/** Rejects (`REDIS_OWNER`) when the mark is another database's. */
async function assertNotMarked(redis: OwnedRedis, keyPrefix: string, identity: DatabaseIdentity): Promise<void> {
  const mark = await readOwner(redis, keyPrefix)
  if (mark === undefined || (mark.system === identity.system && mark.name === identity.name)) return
  throw new CodedError(
    'REDIS_OWNER',
    `Redis (${redis.variable}, ${describePrefix(keyPrefix)}) belongs to ${describeMark(mark)}, and DATABASE_URL is ${describeMark(identity)}: give one of them another REDIS_KEY_PREFIX, or take it over with «promostream own-redis --take-over»`,
  )
}

export interface RedisOwnerOptions extends RedisOwnerParts {
  kind: string
  logger: Logger
  /** Called when another database has taken the Redis over: the process has to end. */
  onFatal(error: Error): void
}

/** Refuses a start that would mix two installations, then reports this process and looks again every two seconds. */
export function createRedisOwner(options: RedisOwnerOptions): Service {
  const { processes, keyPrefix, kind, logger, onFatal } = options
  const instance = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
  let identity: DatabaseIdentity | undefined
  let timer: NodeJS.Timeout | undefined
  let isLooking = false
  const look = async () => {
    if (isLooking || identity === undefined) return
    isLooking = true
    try {
      await processes.report({ instance, kind, keyPrefix })
      // A wiped Redis has lost its mark: it is set again.
      for (const redis of options.redis) await assertOwner(redis, keyPrefix, identity)
    } catch (error) {
      if (error instanceof CodedError && error.code === 'REDIS_OWNER') onFatal(error)
      else logger.debug({ err: toError(error) }, `this process could not report itself: ${errorLine(error)}`)
    } finally {
      isLooking = false
    }
  }
  return service('redis-owner', {
    start: async () => {
      identity = await processes.identity()
      // First told, then asked: of two that start at once under two prefixes neither overlooks the other.
      await processes.report({ instance, kind, keyPrefix })
      try {
        await assertOwnRedis(options, identity)
      } catch (error) {
        await processes.remove(instance).catch(() => undefined)
        throw error
      }
      timer = setInterval(() => void look(), INTERVAL_MS)
    },
    stop: async () => {
      clearInterval(timer)
      await processes.remove(instance).catch(error => logger.debug({ err: toError(error) }, 'presence stays behind'))
    },
  })
}
