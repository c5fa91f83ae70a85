import { type Codec, type CodecName, wireCodec } from './codec.ts'
import type { ConnectionLike } from './connection-like.ts'
import type { QueueHooks } from './hooks.ts'
import type { Anything } from './job.ts'
import { assertNoneLeftOut, type LeftOutOf } from './left-out.ts'
import { QUEUE_OPTIONS } from './left-out-words.ts'
import { assertMs, assertName, assertObject, assertOneOf, assertPositive } from './option-checks.ts'
import { assertStreamName } from './stream-name.ts'

/** A bound that `add` heeds. */
export interface HighWaterMark {
  /** Most entries on the stream: `add` waits, or is refused, rather than make it longer. */
  length: number
  /** `wait` until there is room, first come, first served; or `refuse` with `STREAM_FULL`. */
  onFull: 'wait' | 'refuse'
  /** How long `add` waits before it is refused after all, in ms. Default 30,000. */
  timeoutMs?: number
}

/** The consumer group of who names none. */
export const DEFAULT_GROUP = 'workers'

/** What a queue is made of. */
export interface StreamQueueOptions<Data = Anything> extends LeftOutOf<typeof QUEUE_OPTIONS> {
  /** What `createStreamConnection` made, shared by the process; or a URL or `{ host, port }` for one of the queue's own. */
  connection: ConnectionLike
  /** The consumer group that counts and clean-up speak of. Default `workers`, like the worker's. */
  group?: string
  /** How data becomes text. Default `json`. Workers of the stream need the same. */
  codec?: Codec<Data> | CodecName<Data>
  /** Where the workers' dead letters go. Default `{name}:dead-letter`. */
  deadLetterStream?: string
  /**
   * Bound of the stream, sent as `MAXLEN ~`. Trimming deletes entries that nobody has read: keep well below it, by
   * `highWaterMark` or by your own means.
   */
  maxLen?: number
  /** Keeps the stream short of `maxLen`. Default: none. */
  highWaterMark?: HighWaterMark
  /** Called around `add` and `addBulk`: for spans and metrics. */
  hooks?: QueueHooks
}

/** Throws a TypeError that names what is wrong. */
export function assertQueueOptions(options: StreamQueueOptions): void {
  assertObject('options of the queue', options)
  assertNoneLeftOut(options, QUEUE_OPTIONS, 'option ')
  const { group, maxLen, highWaterMark, codec, deadLetterStream } = options
  if (group !== undefined) assertName('group', group)
  if (deadLetterStream !== undefined) assertStreamName('deadLetterStream', deadLetterStream)
  wireCodec(codec)
  if (options.hooks !== undefined) assertObject('hooks', options.hooks)
  if (maxLen !== undefined) assertPositive('maxLen', maxLen)
  if (highWaterMark === undefined) return
  assertObject('highWaterMark', highWaterMark)
  assertPositive('highWaterMark.length', highWaterMark.length)
  assertOneOf('highWaterMark.onFull', highWaterMark.onFull, ['wait', 'refuse'])
  if (highWaterMark.timeoutMs !== undefined) assertMs('highWaterMark.timeoutMs', highWaterMark.timeoutMs, 0)
}
