import type { StreamEntry, StreamHandler } from './entry.ts'
import type { ConsumerGroup } from './group.ts'
import type { QueueLimiter } from './limiter.ts'
import type { StoredDelays } from './stored-delays.ts'
import type { SuspectLane } from './suspect-lane.ts'
import type { Announce } from './worker-events.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

/** What a consumer's work is given: the server by its group's commands, the rest as functions. */
export interface ConsumerWorkOptions<Fields extends Record<string, string>> {
  stream: string
  handler: StreamHandler<Fields>
  options: Pick<
    ResolvedWorkerOptions<Fields>,
    | 'concurrency'
    | 'readCount'
    | 'claimMinIdleMs'
    | 'maxDeliveries'
    | 'maxBackoffMs'
    | 'backoffMs'
    | 'isNamed'
    | 'onPoison'
    | 'onAcknowledged'
  >
  group: Pick<ConsumerGroup, keyof ConsumerGroup>
  limiter: Pick<QueueLimiter, 'acquire' | 'isUsedUp'> | undefined
  delays: Pick<StoredDelays, 'store' | 'forget' | 'restOf'>
  lane: SuspectLane
  /** Aborts when a closing worker has run out of time. */
  signal: AbortSignal
  announce: Announce<Fields>
  writeDeadLetter(entry: StreamEntry<Fields>, reason: string): Promise<void>
  /** The server is there. */
  isUsable(): boolean
  /** There is something to do for a slot. */
  wake(): void
  /** A slot has become free. */
  onFreed(): void
  onReadFailed(error: Error): Promise<void>
  onOtherGroup(): void
  onError(error: unknown): void
}
