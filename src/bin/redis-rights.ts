import type { RedisConfig } from '#config/schemas.ts'
import { ownerKey } from '#promotion/redis-owner.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { RETRY_QUEUE_NAME } from '#queues/retry.queue.ts'
import type { RightsQuestion } from '#runtime/redis-rights.ts'

/** What each kind of process sends to its servers, as questions that change nothing. A test runs each with just these rights. */
export type RedisRole = 'listener' | 'worker' | 'admin' | 'cli'

/** No promotion has it. */
const NOBODY = '0'

const SCRIPTS = ['EVALSHA 0000000000000000000000000000000000000000 1 KEY', 'EVAL return(0) 1 KEY']

/** Entries are added, in order and in bulk, below the bound. */
const ADDING = ['XADD KEY NOMKSTREAM 0-0 f v', 'XLEN KEY', 'EXISTS KEY', ...SCRIPTS]

/** What an operation does to a promotion: starts it, stops it, looks at it, removes its stream. */
const MANAGING = [
  ...ADDING,
  'XGROUP CREATE KEY rights no-id',
  'XTRIM KEY MINID 0',
  'XRANGE KEY 0-1 0-1',
  'XPENDING KEY rights',
  'XINFO GROUPS KEY',
  'XDEL KEY 0-1',
  'DEL KEY',
]

/** Reading, acknowledging, taking over, putting off. */
const WORKING = [
  ...MANAGING,
  'XGROUP DELCONSUMER KEY rights rights',
  'XINFO CONSUMERS KEY rights',
  'XREADGROUP GROUP rights rights COUNT 1 STREAMS KEY >',
  'XREAD COUNT 1 STREAMS KEY 0-1',
  'XACK KEY rights 0-1',
  'XAUTOCLAIM KEY rights rights 3600000 0-0 COUNT 1 JUSTID',
  'XCLAIM KEY rights rights 3600000 0-1 JUSTID',
  'MGET KEY',
  'SET KEY 1 XX PX 0',
  'PTTL KEY',
]

const STREAM_COMMANDS: Readonly<Record<RedisRole, readonly string[]>> = {
  listener: ADDING,
  worker: WORKING,
  admin: MANAGING,
  cli: MANAGING,
}

/** Dead letters are looked at, put back and deleted; in a cluster with a mark beside them. */
const LETTERS = {
  ':dead-letter': ['XLEN KEY', 'XRANGE KEY 0-1 0-1', 'XREVRANGE KEY 0-1 0-1', 'XDEL KEY 0-1'],
  ':dead-letter:replay:0-0': ['SET KEY 1 XX PX 0', 'DEL KEY'],
}

/** Keys beside a stream. */
const BESIDE_STREAM: Readonly<Record<RedisRole, Readonly<Record<string, readonly string[]>>>> = {
  listener: {},
  worker: {
    ':paused': ['EXISTS KEY'],
    ':delay:0-0': ['SET KEY 1 XX PX 0'],
    ':dead-letter': ['XADD KEY NOMKSTREAM 0-0 f v', 'XLEN KEY', 'XRANGE KEY 0-1 0-1', 'XDEL KEY 0-1', 'EXPIRE KEY 60'],
  },
  admin: LETTERS,
  cli: LETTERS,
}

/** The mark of who owns the server, on each that we write to; the question leaves it as it is. */
const ownerQuestion = (keyPrefix: string): RightsQuestion => ({
  key: ownerKey(keyPrefix),
  commands: ['SET KEY 1 XX PX 0', 'GET KEY'],
})

/** Who asks: what kind of process, and whether it calls the Money API (a listener that does adds no entries). */
export interface RedisUser {
  role: RedisRole
  pays: boolean
}

/** For the user of `REDIS_STREAM_URL`. */
export function streamRightsOf(
  { role, pays }: RedisUser,
  { REDIS_KEY_PREFIX: keyPrefix }: RedisConfig,
): RightsQuestion[] {
  if (role === 'listener' && pays) return [ownerQuestion(keyPrefix)]
  const streams = promotionStreams(keyPrefix)
  const questions = PROMOTION_TYPES.flatMap(type => {
    const key = streams[type].streamKey(NOBODY)
    const own = { key, commands: STREAM_COMMANDS[role] }
    const beside = Object.entries(BESIDE_STREAM[role]).map(([end, commands]) => ({ key: key + end, commands }))
    return [own, ...beside]
  })
  return [...questions, ownerQuestion(keyPrefix)]
}

/**
 * BullMQ's scripts and its own commands, on a key that holds a text for the while: what would make a list or a set fails
 * by the type. Jobs are added, looked for, tried again and removed.
 */
const JOBS = [
  'INFO server',
  // An empty transaction: nothing comes between the two.
  'MULTI',
  'EXEC',
  ...SCRIPTS,
  'EXISTS KEY',
  'GET KEY',
  'HDEL KEY f',
  'HGET KEY f',
  'HGETALL KEY',
  'HMGET KEY f',
  'HMSET KEY f v',
  'HSET KEY f v',
  'INCR KEY',
  'LINDEX KEY 0',
  'LLEN KEY',
  'LPOS KEY v',
  'LPUSH KEY v',
  'LRANGE KEY 0 0',
  'LREM KEY 0 v',
  'SADD KEY v',
  'SREM KEY v',
  'XADD KEY NOMKSTREAM 0-0 f v',
  'XTRIM KEY MINID 0',
  'ZADD KEY 1 v',
  'ZCARD KEY',
  'ZRANGE KEY 0 0',
  'ZREM KEY v',
  'ZREVRANGE KEY 0 0',
  'ZREVRANGEBYSCORE KEY 1 0',
  'ZSCORE KEY v',
]

/** Jobs are run, put off, and taken over. */
const JOB_WORKER = [
  'BZPOPMIN KEY 0.01',
  'HEXISTS KEY f',
  'HINCRBY KEY f 1',
  'LTRIM KEY 0 0',
  'PEXPIRE KEY 60000',
  'PTTL KEY',
  'RPOPLPUSH KEY KEY',
  'SMEMBERS KEY',
  'ZPOPMIN KEY',
  'ZRANGEBYSCORE KEY 0 0',
  'ZREMRANGEBYRANK KEY 0 0',
  'ZREMRANGEBYSCORE KEY 0 0',
]

/** The board shows, pauses and resumes. */
const JOB_BOARD = ['LPOP KEY', 'RENAME KEY KEY', 'RPOP KEY', 'RPUSH KEY v', 'ZCOUNT KEY 0 0', 'ZRANGEBYSCORE KEY 0 0']

const JOB_COMMANDS: Readonly<Record<RedisRole, readonly string[]>> = {
  listener: JOBS,
  worker: [...JOBS, ...JOB_WORKER],
  admin: [...JOBS, ...JOB_BOARD],
  cli: JOBS,
}

/** What instances tell each other of calls (whether they are blocked, how many permits are left). */
const CALLS = [
  ...['EXPIRE KEY 60', 'GET KEY', 'INCRBY KEY 1', 'PTTL KEY', ...SCRIPTS],
  ...['ZADD KEY 1 v', 'ZCARD KEY', 'ZREMRANGEBYSCORE KEY 0 0'],
]

/** Who lives: told by listeners and workers, read by the admin; and who has logged out there. */
const PRESENCE: Readonly<Partial<Record<RedisRole, Readonly<Record<string, readonly string[]>>>>> = {
  listener: { instances: ['ZADD KEY 1 v', 'ZREMRANGEBYSCORE KEY 0 0'] },
  worker: { instances: ['ZADD KEY 1 v', 'ZREM KEY v', 'ZREMRANGEBYSCORE KEY 0 0'] },
  admin: {
    instances: ['ZRANGEBYSCORE KEY 0 0', 'GET KEY', 'MGET KEY'],
    'admin:logged-out': ['EXISTS KEY'],
  },
}

/** For the user of `REDIS_URL`; `prefix` is BullMQ's. */
export function redisRightsOf(
  { role, pays }: RedisUser,
  { REDIS_KEY_PREFIX: keyPrefix }: RedisConfig,
  prefix: string,
): RightsQuestion[] {
  const jobs = { key: `${prefix}:${RETRY_QUEUE_NAME}:rights`, commands: onText(JOB_COMMANDS[role]) }
  const named = (name: string) => `${keyPrefix}promostream:${name}:rights`
  const calls = { key: named('money'), commands: onText(CALLS) }
  const presence = Object.entries(PRESENCE[role] ?? {}).map(([name, commands]) => ({
    key: named(name),
    commands: onText(commands),
  }))
  return [jobs, ...(pays ? [calls] : []), ...presence, ownerQuestion(keyPrefix)]
}

const onText = (commands: readonly string[]) => ['SET KEY 0 PX 60000', ...commands, 'DEL KEY']
