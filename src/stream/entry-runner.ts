import { toError } from '#runtime/errors.ts'
import { writeDeadLetter } from './dead-letter.ts'
import { failureBackoffMs, isPoison } from './delivery.ts'
import type { HandlerResult, StreamEntry, StreamHandler } from './entry.ts'
import { StreamError, withoutCommand } from './errors.ts'
import type { ConsumerGroup } from './group.ts'
import type { Held, HeldEntries } from './held.ts'
import type { QueueLimiter } from './limiter.ts'
import type { Announce } from './worker-events.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

export interface EntryRunnerOptions<Fields extends Record<string, string>> {
  handler: StreamHandler<Fields>
  held: HeldEntries<Fields>
  group: ConsumerGroup
  options: ResolvedWorkerOptions<Fields>
  /** Aborts when a closing worker has run out of time. */
  signal: AbortSignal
  limiter: QueueLimiter | undefined
  announce: Announce<Fields>
  acknowledge(id: string): void
  /** Forgets an entry that may have become another consumer's. */
  letGo(id: string): void
  /** A slot is free. */
  onFreed(): void
  /** An entry's pause is over. */
  onReady(): void
}

/** Pause before a dead letter that could not be written is tried again, in ms. */
const BURY_RETRY_MS = 1000

/**
 * Takes an entry through its life in a slot: runs the handler and does what its outcome says, matched exhaustively.
 * Whatever happens, the entry ends as acknowledged or delayed, never forgotten.
 */
export class EntryRunner<Fields extends Record<string, string>> {
  readonly #o: EntryRunnerOptions<Fields>
  #isClosed = false

  constructor(options: EntryRunnerOptions<Fields>) {
    this.#o = options
  }

  /** No entry gets a timer any more. */
  close(): void {
    this.#isClosed = true
  }

  /** Takes an entry into a slot. */
  begin(held: Held<Fields>): void {
    const { limiter, options } = this.#o
    if (held.state !== 'active') this.#o.held.move(held, 'active')
    const { deliveries } = held.entry
    if (isPoison(deliveries, options.maxDeliveries)) {
      const reason = `delivered ${deliveries} times`
      this.#o.announce('failed', held.entry, new StreamError('STREAM_POISON', reason))
      void this.#bury(held, reason, options.onPoison)
    } else if (limiter === undefined) this.#run(held)
    else void this.#runWithPermit(held, limiter)
  }

  /** Without a permit it waits for the next window: no delivery is counted. */
  async #runWithPermit(held: Held<Fields>, limiter: QueueLimiter): Promise<void> {
    const waitMs = await limiter.acquire()
    if (waitMs === 0) return this.#run(held)
    this.#delay(held, waitMs)
    this.#o.onFreed()
  }

  #run(held: Held<Fields>): void {
    const { handler, signal } = this.#o
    this.#o.announce('active', held.entry)
    let result: ReturnType<StreamHandler<Fields>>
    try {
      result = handler(held.entry, signal)
    } catch (error) {
      this.#fail(held, toError(error))
      return
    }
    if (!isThenable(result)) this.#settle(held, result)
    else {
      result.then(
        outcome => this.#settle(held, outcome),
        error => this.#fail(held, toError(error)),
      )
    }
  }

  #settle(held: Held<Fields>, outcome: HandlerResult): void {
    if (outcome?.kind === 'retry-later') this.#delay(held, outcome.delayMs)
    else if (outcome?.kind !== 'dead-letter') {
      // Also what is no outcome: a handler whose type was lost may return its result, as BullMQ's do.
      this.#acknowledge(held)
      this.#o.announce('completed', held.entry)
    } else {
      this.#o.announce('failed', held.entry, new StreamError('STREAM_DEAD_LETTER', outcome.reason))
      void this.#bury(held, outcome.reason)
      return
    }
    this.#o.onFreed()
  }

  #fail(held: Held<Fields>, error: Error): void {
    const { group, options } = this.#o
    this.#o.announce('failed', held.entry, error)
    // Counted on the server too: a process that dies meanwhile must not start the count anew.
    void group
      .touch('count', [held.entry.id])
      .catch(thrown => this.#o.announce('error', withoutCommand(toError(thrown))))
    const deliveries = held.entry.deliveries + 1
    held.entry = { ...held.entry, deliveries }
    this.#delay(held, failureBackoffMs(deliveries, options.maxBackoffMs))
    this.#o.onFreed()
  }

  #acknowledge(held: Held<Fields>): void {
    this.#o.held.move(held, 'acking')
    this.#o.acknowledge(held.entry.id)
  }

  #delay(held: Held<Fields>, delayMs: number): void {
    // Another consumer may have it by now: what is to be done with it is that one's business.
    if (held.isLost) {
      this.#o.letGo(held.entry.id)
      return
    }
    this.#o.held.move(held, 'delayed')
    if (this.#isClosed) return
    held.timer = setTimeout(() => {
      this.#o.held.move(held, 'ready')
      this.#o.onReady()
    }, delayMs)
  }

  /** Written to the dead-letter stream before it is acknowledged; what cannot be written is kept and tried again. */
  async #bury(held: Held<Fields>, reason: string, before?: (entry: StreamEntry<Fields>) => unknown): Promise<void> {
    const { options } = this.#o
    const { id, stream, deliveries } = held.entry
    try {
      await before?.(held.entry)
      await writeDeadLetter(options.connection, options.deadLetterStream, held.entry, reason)
      options.logger?.error({ stream, entryId: id, reason, deliveries }, `dead letter: ${reason}`)
      this.#acknowledge(held)
    } catch (error) {
      this.#o.announce('error', toError(error))
      this.#delay(held, BURY_RETRY_MS)
    }
    this.#o.onFreed()
  }
}

/** Promises of other makers and of other realms are promises too. */
function isThenable(result: ReturnType<StreamHandler>): result is Promise<HandlerResult> {
  return typeof (result as Partial<Promise<HandlerResult>> | undefined)?.then === 'function'
}
