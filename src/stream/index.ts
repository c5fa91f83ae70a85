/** The framework's only door: a BullMQ-shaped queue and worker on raw Redis Streams, for any job. */
export {
  createStreamConnection,
  type StreamCapabilities,
  StreamConnection,
  type StreamConnectionOptions,
} from './connection.ts'
export { type DeadLetterRecord, parseDeadLetter } from './dead-letter.ts'
export type { HandlerResult, StreamEntry, StreamHandler } from './entry.ts'
export { StreamAddError, StreamError } from './errors.ts'
export type { LimiterOptions } from './limiter.ts'
export { type DeadLetter, deadLetter, type Outcome, type RetryLater, retryLater } from './outcome.ts'
export { StreamPool, type StreamPoolOptions } from './pool.ts'
export { type StreamCounts, StreamQueue } from './queue.ts'
export type { HighWaterMark, StreamQueueOptions } from './queue-options.ts'
export { StreamWorker } from './worker.ts'
export type { StreamWorkerEvents } from './worker-events.ts'
export type { StreamWorkerOptions } from './worker-options.ts'
