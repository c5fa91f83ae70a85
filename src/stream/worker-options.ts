import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from '#runtime/logger.ts'
import type { StreamConnection } from './connection.ts'
import type { StreamEntry } from './entry.ts'
import type { LimiterOptions } from './limiter.ts'
import type { StreamPool } from './pool.ts'

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
  logger?: Logger
}

export type ResolvedWorkerOptions<Fields extends Record<string, string>> = Required<
  Omit<StreamWorkerOptions<Fields>, 'pool' | 'logger' | 'onPoison' | 'limiter'>
> &
  Pick<StreamWorkerOptions<Fields>, 'pool' | 'logger' | 'onPoison' | 'limiter'> & {
    /** The consumer's name was given: it may hold entries of the process before. */
    isNamed: boolean
  }

/** Options are resolved once, here. Throws a RangeError that names what is wrong. */
export function resolveWorkerOptions<Fields extends Record<string, string>>(
  name: string,
  options: StreamWorkerOptions<Fields>,
): ResolvedWorkerOptions<Fields> {
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
    ...options,
    isNamed: options.consumer !== undefined,
  }
  for (const key of ['concurrency', 'readCount', 'pollIntervalMs', 'claimMinIdleMs', 'maxDeliveries'] as const) {
    assertPositive(key, resolved[key])
  }
  if (options.limiter !== undefined) {
    assertPositive('limiter.max', options.limiter.max)
    assertPositive('limiter.windowSeconds', options.limiter.windowSeconds ?? 1)
  }
  return resolved
}

export function assertPositive(name: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1))
    throw new RangeError(`${name} must be a whole number from 1 on, not ${value}`)
}
