import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { LineLogger } from '#runtime/line-logger.ts'
import { assertBackoff, type Backoff, DEFAULT_MAX_BACKOFF_MS, pauseAfter } from './backoff.ts'
import { type Codec, type CodecName, type WireCodec, wireCodec } from './codec.ts'
import type { StreamConnection } from './connection.ts'
import { type ConnectionLike, connectionOf } from './connection-like.ts'
import type { StreamEntry } from './entry.ts'
import type { WorkerHooks } from './hooks.ts'
import { type Anything, StreamJob } from './job.ts'
import { assertNoneLeftOut, type LeftOutOf } from './left-out.ts'
import { WORKER_OPTIONS } from './left-out-words.ts'
import { type LetterBounds, letterBoundsOf, type ResolvedLetterBounds } from './letter-bounds.ts'
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
import { DEFAULT_GROUP } from './queue-options.ts'
import { assertStreamName } from './stream-name.ts'

/** What a worker is made of. */
export interface StreamWorkerOptions<Data = Anything> extends LeftOutOf<typeof WORKER_OPTIONS> {
  /** What `createStreamConnection` made, shared by the process; or a URL or `{ host, port }` for one of the worker's own. */
  connection: ConnectionLike
  /** The consumer group; made at id 0 where it is missing, so that what was added before is delivered. Default `workers`. */
  group?: string
  /** How text becomes data: the queue's. Default `json`. */
  codec?: Codec<Data> | CodecName<Data>
  /** Handlers at once. Default 1, like BullMQ. */
  concurrency?: number
  /** Runs of an entry before it is a dead letter, those included whose process died. Default 5. */
  attempts?: number
  /**
   * Pause after a run that failed: ms, `{ type, delay, jitter }`, or `(attemptsMade, error, job) => ms`. Default exponential
   * from 200 ms on, the upper half left to chance.
   */
  backoff?: Backoff<Data>
  /** Default `{hostname}-{pid}-{random}`: two processes with one name would share one pending list. */
  consumer?: string
  /** Start by itself. Default true. */
  autorun?: boolean
  /** The process's shared slots and its one fetcher; without it the worker has a fetcher of its own. */
  pool?: StreamPool
  /** Where the pool's slots are short: of two workers the one with twice the weight gets twice as many. Default 1. */
  weight?: number
  /** Most entries one XREADGROUP asks for. Default 500. */
  readCount?: number
  /** Longest pause between two reads of an idle stream, in ms. Default 50; a shared pool has its own. */
  pollIntervalMs?: number
  /** An entry unacknowledged this long belongs to a dead consumer, in ms. Default 60,000. */
  claimMinIdleMs?: number
  /** The same as `attempts`, in the words of a stream. */
  maxDeliveries?: number
  /** Longest pause before an entry whose handler failed is tried again, in ms. Default 30,000 without `backoff`, else none. */
  maxBackoffMs?: number
  /** Called before a poisoned entry goes to the dead-letter stream; while it rejects the entry is kept. */
  onPoison?(job: StreamJob<Data>): Promise<void> | void
  /** At most so many handlers begin in a window, over all workers of all processes that say the same. */
  limiter?: LimiterOptions
  /** Where dead letters go. Default `{name}:dead-letter`. */
  deadLetterStream?: string
  /**
   * How many dead letters are kept, and for how long (`age`, in s); beyond it the oldest are deleted, with a line of the logger.
   * A number is a count; false keeps all. Default 100,000, of any age.
   */
  removeOnFail?: number | false | LetterBounds
  /** Called around each run of the handler: for spans and metrics. */
  hooks?: WorkerHooks<Data>
  /** Where lines go: pino, or anything with its four methods. */
  logger?: LineLogger
}

/** What the machinery below the worker knows: entries by their fields. */
export interface ResolvedWorkerOptions<Fields extends Record<string, string>> {
  connection: StreamConnection
  group: string
  concurrency: number
  consumer: string
  autorun: boolean
  pool?: StreamPool
  weight: number
  readCount: number
  pollIntervalMs: number
  claimMinIdleMs: number
  maxDeliveries: number
  maxBackoffMs: number
  /** Below 0: no further try. */
  backoffMs?(attemptsMade: number, error: Error, entry: StreamEntry<Fields>): number
  onPoison?(entry: StreamEntry<Fields>): Promise<void> | void
  onAcknowledged?(ids: readonly string[]): void
  limiter?: LimiterOptions
  deadLetterStream: string
  letterBounds: ResolvedLetterBounds
  logger?: LineLogger
  /** The consumer's name was given: it may hold entries of the process before. */
  isNamed: boolean
}

export type ResolvedOptions = ResolvedWorkerOptions<Record<string, string>> & {
  codec: WireCodec
  /** The connection was made here: the worker closes it. */
  ownsConnection: boolean
}

/** Options are resolved once, here. Throws a TypeError that names what is wrong. */
export function resolveWorkerOptions<Data>(name: string, options: StreamWorkerOptions<Data>): ResolvedOptions {
  assertStreamName('name', name)
  assertObject('options of the worker', options)
  assertNoneLeftOut(options, WORKER_OPTIONS, 'option ')
  const {
    codec: codecOption,
    backoff,
    onPoison,
    attempts,
    hooks,
    removeOnFail,
    connection: _,
    ...rest
  } = given(options)
  const codec = wireCodec(codecOption)
  if (backoff !== undefined) assertBackoff(backoff)
  if (onPoison !== undefined) assertFunction('onPoison', onPoison)
  if (hooks !== undefined) assertObject('hooks', hooks)
  if (attempts !== undefined) assertPositive('attempts', attempts)
  if (attempts !== undefined && rest.maxDeliveries !== undefined && attempts !== rest.maxDeliveries)
    throw new TypeError('attempts and maxDeliveries are the same: give one of them')
  const resolved = {
    group: DEFAULT_GROUP,
    concurrency: 1,
    consumer: `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
    autorun: true,
    weight: 1,
    readCount: 500,
    pollIntervalMs: 50,
    claimMinIdleMs: 60_000,
    maxDeliveries: attempts ?? 5,
    maxBackoffMs: DEFAULT_MAX_BACKOFF_MS,
    deadLetterStream: `${name}:dead-letter`,
    letterBounds: letterBoundsOf(removeOnFail),
    ...(rest as Pick<ResolvedOptions, 'limiter' | 'pool' | 'logger'>),
    isNamed: options.consumer !== undefined,
  }
  assertResolved(name, resolved)
  const pauseMs = pauseAfter<Data>(backoff, rest.maxBackoffMs)
  const toJob = (entry: StreamEntry) => new StreamJob<Data>(entry, codec)
  const { connection, isOwn } = connectionOf(options.connection)
  return {
    ...resolved,
    connection,
    ownsConnection: isOwn,
    codec,
    backoffMs: (attemptsMade, error, entry) => pauseMs(attemptsMade, error, () => toJob(entry)),
    ...(hooks?.acknowledged === undefined ? {} : { onAcknowledged: ids => hooks.acknowledged?.(ids) }),
    ...(onPoison === undefined ? {} : { onPoison: (entry: StreamEntry) => poisoned(entry, toJob, onPoison) }),
  }
}

/** Of an entry that cannot be decoded nobody else is told: the dead letter has it. */
function poisoned<Data>(
  entry: StreamEntry,
  toJob: (entry: StreamEntry) => StreamJob<Data>,
  onPoison: (job: StreamJob<Data>) => Promise<void> | void,
): Promise<void> | void {
  let job: StreamJob<Data>
  try {
    job = toJob(entry)
  } catch {
    return
  }
  return onPoison(job)
}

type Checked = Omit<ResolvedWorkerOptions<Record<string, string>>, 'connection' | 'backoffMs' | 'onPoison'>

function assertResolved(name: string, options: Checked): void {
  const { pool, limiter, logger } = options
  for (const key of ['group', 'consumer'] as const) assertName(key, options[key])
  for (const key of ['concurrency', 'weight', 'readCount', 'maxDeliveries'] as const) assertPositive(key, options[key])
  for (const key of ['pollIntervalMs', 'claimMinIdleMs'] as const) assertMs(key, options[key])
  assertMs('maxBackoffMs', options.maxBackoffMs, 0)
  assertBoolean('autorun', options.autorun)
  assertStreamName('deadLetterStream', options.deadLetterStream)
  if (options.deadLetterStream === name) throw new TypeError('deadLetterStream must not be the stream itself')
  if (pool !== undefined) assertPool(pool)
  if (logger !== undefined) assertObject('logger', logger)
  if (limiter !== undefined) assertLimiter(limiter)
}

function assertLimiter(limiter: LimiterOptions): void {
  assertObject('limiter', limiter)
  assertPositive('limiter.max', limiter.max)
  if (limiter.duration !== undefined) assertMs('limiter.duration', limiter.duration)
  if (limiter.windowSeconds !== undefined) assertSeconds('limiter.windowSeconds', limiter.windowSeconds)
  if (limiter.duration !== undefined && limiter.windowSeconds !== undefined)
    throw new TypeError('limiter.duration and limiter.windowSeconds are the same: give one of them')
}

/** By its parts, not by its class: the pool imports what its members are. */
function assertPool(pool: Partial<StreamPool>): void {
  assertObject('pool', pool)
  if (typeof pool.add !== 'function' || typeof pool.freed !== 'function')
    throw new TypeError('pool must be a StreamPool')
}
