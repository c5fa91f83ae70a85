import { assertConnection } from './assert-connection.ts'
import type { StreamConnection } from './connection.ts'
import { assertMs, assertName, assertObject, assertOneOf, assertPositive } from './option-checks.ts'

export interface HighWaterMark {
  /** Most entries on the stream: `add` waits, or is refused, rather than make it longer. */
  length: number
  onFull: 'wait' | 'refuse'
  /** How long `add` waits before it is refused after all, in ms. Default 30,000. */
  timeoutMs?: number
}

export interface StreamQueueOptions {
  connection: StreamConnection
  /** The consumer group that counts and clean-up speak of. */
  group?: string
  /**
   * Bound of the stream, sent as `MAXLEN ~`. Trimming deletes entries that nobody has read: keep well below it, by
   * `highWaterMark` or by your own means.
   */
  maxLen?: number
  highWaterMark?: HighWaterMark
}

/** Throws a TypeError that names what is wrong. */
export function assertQueueOptions(options: StreamQueueOptions): void {
  assertObject('options of the queue', options)
  const { connection, group, maxLen, highWaterMark } = options
  assertConnection(connection)
  if (group !== undefined) assertName('group', group)
  if (maxLen !== undefined) assertPositive('maxLen', maxLen)
  if (highWaterMark === undefined) return
  assertObject('highWaterMark', highWaterMark)
  assertPositive('highWaterMark.length', highWaterMark.length)
  assertOneOf('highWaterMark.onFull', highWaterMark.onFull, ['wait', 'refuse'])
  if (highWaterMark.timeoutMs !== undefined) assertMs('highWaterMark.timeoutMs', highWaterMark.timeoutMs, 0)
}
