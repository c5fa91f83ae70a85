/** The framework's only door: a BullMQ-shaped queue and worker on raw Redis Streams, for any job. */
export type { LineLogger } from '#runtime/line-logger.ts'
export type { Backoff, BackoffOptions, BackoffStrategy } from './backoff.ts'
export type { Codec, CodecName } from './codec.ts'
export { createStreamConnection, type StreamCapabilities, StreamConnection } from './connection.ts'
export type { ConnectionLike, RedisAddress } from './connection-like.ts'
export type { StreamConnectionOptions } from './connection-options.ts'
export { type DeadLetterRecord, parseDeadLetter } from './dead-letter.ts'
export type { DeadLetters } from './dead-letters.ts'
export { StreamAddError, StreamError } from './errors.ts'
export type { QueueHooks, WorkerHooks } from './hooks.ts'
export { AddedEntry, StreamJob, type StreamJob as StreamEntry } from './job.ts'
export type { LeftOut } from './left-out.ts'
export type { LetterBounds } from './letter-bounds.ts'
export type { DiscardResult, ReplayOptions, ReplayResult, WhichLetters } from './letter-changes.ts'
export type { LimiterOptions } from './limiter.ts'
export type { AddOptions, NamedData } from './named-data.ts'
export { type DeadLetter, deadLetter, type Outcome, type RetryLater, retryLater } from './outcome.ts'
export { StreamPool } from './pool.ts'
export type { StreamPoolOptions } from './pool-options.ts'
export { StreamQueue } from './queue.ts'
export type { JobCounts, StreamCounts } from './queue-counts.ts'
export type { HighWaterMark, StreamQueueOptions } from './queue-options.ts'
export type {
  Page,
  PageOptions,
  PendingEntry,
  PendingOptions,
  PendingSummary,
  StoredEntry,
} from './stored-entries.ts'
export type { DeadLetterFilter, StoredDeadLetter } from './stored-letters.ts'
export type { TestClock } from './test-clock.ts'
export { createTestQueue, type TestQueue, type TestQueueOptions } from './test-queue.ts'
export type { StreamHandler } from './worker.ts'
export { StreamWorker } from './worker.ts'
export type { StreamWorkerEvents } from './worker-events.ts'
export type { StreamWorkerOptions } from './worker-options.ts'
