import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { LineLogger } from '#runtime/line-logger.ts'
import { assertConnection } from './assert-connection.ts'
import type { StreamConnection } from './connection.ts'
import type { StreamEntry } from './entry.ts'
import type { LimiterOptions } from './limiter.ts'
import {
  assertBoolean,
  assertFunction,
  assertMs,
  assertName,
  assertObject,
  assertPositive,
  assertSeconds,
  given,
} from './option-checks.ts'
import type { StreamPool } from './pool.ts'
import { assertStreamName } from './stream-name.ts'

export interface StreamWorkerOptions<Fields extends Record<string, string>> {
  connection: StreamConnection
  /** The consumer group; made at id 0 where it is missing, so that what was added before is delivered. */
  group: string
  /** Handlers at once. Default 1, like BullMQ. */
  concurrency?: number
  /** Default `{hostname}-{pid}-{random}`: two processes with one name would share one pending list. */
  consumer?: string
  /** Start by itself. Default true. */
  autorun?: boolean
  /** The process's shared slots and its one fetcher; without it the worker has a fetcher of its own. */
  pool?: StreamPool
  /** Most entries one XREADGROUP asks for. Default 500. */
  readCount?: number
  /** Longest pause between two reads of an idle stream, in ms. Default 50; a shared pool has its own. */
  pollIntervalMs?: number
  /** An entry unacknowledged this long belongs to a dead consumer, in ms. Default 60,000. */
  claimMinIdleMs?: number
  /** Deliveries before an entry is poison. Default 5. */
  maxDeliveries?: number
  /** Longest pause before an entry whose handler failed is tried again, in ms. Default 30,000. */
  maxBackoffMs?: number
  /** Called before a poisoned entry goes to the dead-letter stream; while it rejects the entry is kept. */
  onPoison?(entry: StreamEntry<Fields>): Promise<void> | void
  /** At most so many handlers begin in a window, over all workers of all processes that say the same. */
  limiter?: LimiterOptions
  /** Where dead letters go. Default `{name}:dead-letter`. */
  deadLetterStream?: string
  logger?: LineLogger
}

export type ResolvedWorkerOptions<Fields extends Record<string, string>> = Required<
  Omit<StreamWorkerOptions<Fields>, 'pool' | 'logger' | 'onPoison' | 'limiter'>
> &
  Pick<StreamWorkerOptions<Fields>, 'pool' | 'logger' | 'onPoison' | 'limiter'> & {
    /** The consumer's name was given: it may hold entries of the process before. */
    isNamed: boolean
  }

/** Options are resolved once, here. Throws a TypeError that names what is wrong. */
export function resolveWorkerOptions<Fields extends Record<string, string>>(
  name: string,
  options: StreamWorkerOptions<Fields>,
): ResolvedWorkerOptions<Fields> {
  assertStreamName('name', name)
  assertObject('options of the worker', options)
  const resolved = {
    concurrency: 1,
    consumer: `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
    autorun: true,
    readCount: 500,
    pollIntervalMs: 50,
    claimMinIdleMs: 60_000,
    maxDeliveries: 5,
    maxBackoffMs: 30_000,
    deadLetterStream: `${name}:dead-letter`,
    ...given(options),
    isNamed: options.consumer !== undefined,
  }
  assertResolved(name, resolved)
  return resolved
}

function assertResolved<Fields extends Record<string, string>>(
  name: string,
  options: ResolvedWorkerOptions<Fields>,
): void {
  const { pool, limiter, onPoison, logger } = options
  assertConnection(options.connection)
  for (const key of ['group', 'consumer'] as const) assertName(key, options[key])
  for (const key of ['concurrency', 'readCount', 'maxDeliveries'] as const) assertPositive(key, options[key])
  for (const key of ['pollIntervalMs', 'claimMinIdleMs'] as const) assertMs(key, options[key])
  assertMs('maxBackoffMs', options.maxBackoffMs, 0)
  assertBoolean('autorun', options.autorun)
  assertStreamName('deadLetterStream', options.deadLetterStream)
  if (options.deadLetterStream === name) throw new TypeError('deadLetterStream must not be the stream itself')
  if (pool !== undefined) assertPool(pool)
  if (onPoison !== undefined) assertFunction('onPoison', onPoison)
  if (logger !== undefined) assertObject('logger', logger)
  if (limiter === undefined) return
  assertObject('limiter', limiter)
  assertPositive('limiter.max', limiter.max)
  if (limiter.windowSeconds !== undefined) assertSeconds('limiter.windowSeconds', limiter.windowSeconds)
}

/** By its parts, not by its class: the pool imports what its members are. */
function assertPool(pool: Partial<StreamPool>): void {
  assertObject('pool', pool)
  if (typeof pool.add !== 'function' || typeof pool.freed !== 'function')
    throw new TypeError('pool must be a StreamPool')
}
