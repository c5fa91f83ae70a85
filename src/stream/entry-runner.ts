import { toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { HandlerResult, StreamEntry, StreamHandler } from './entry.ts'
import { StreamError } from './errors.ts'
import type { ConsumerGroup } from './group.ts'
import type { Held, HeldEntries } from './held.ts'
import { StreamQueue } from './queue.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

export interface EntryRunnerOptions<Fields extends Record<string, string>> {
  handler: StreamHandler<Fields>
  held: HeldEntries<Fields>
  group: ConsumerGroup
  options: ResolvedWorkerOptions<Fields>
  /** Aborts when a closing worker has run out of time. */
  signal: AbortSignal
  logger: Logger | undefined
  acknowledge(id: string): void
  onActive(entry: StreamEntry<Fields>): void
  onCompleted(entry: StreamEntry<Fields>): void
  onFailed(entry: StreamEntry<Fields>, error: Error): void
  onError(error: Error): void
  /** A slot is free. */
  onFreed(): void
  /** An entry's pause is over. */
  onReady(): void
}

const FIRST_BACKOFF_MS = 100
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

  begin(held: Held<Fields>): void {
    const { handler, signal, options } = this.#o
    this.#o.held.move(held, 'active')
    const { deliveries } = held.entry
    if (deliveries > options.maxDeliveries) {
      void this.#bury(held, `delivered ${deliveries} times`, options.onPoison)
      return
    }
    this.#o.onActive(held.entry)
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
      this.#o.onCompleted(held.entry)
    } else {
      this.#o.onFailed(held.entry, new StreamError('STREAM_DEAD_LETTER', outcome.reason))
      void this.#bury(held, outcome.reason)
      return
    }
    this.#o.onFreed()
  }

  #fail(held: Held<Fields>, error: Error): void {
    const { group, options } = this.#o
    this.#o.onFailed(held.entry, error)
    // Counted on the server too: a process that dies meanwhile must not start the count anew.
    void group.touch('count', [held.entry.id]).catch(thrown => this.#o.onError(toError(thrown)))
    const deliveries = held.entry.deliveries + 1
    held.entry = { ...held.entry, deliveries }
    const ceilingMs = Math.min(options.maxBackoffMs, FIRST_BACKOFF_MS * 2 ** Math.min(deliveries, 20))
    this.#delay(held, ceilingMs * (0.5 + Math.random() / 2))
    this.#o.onFreed()
  }

  #acknowledge(held: Held<Fields>): void {
    this.#o.held.move(held, 'acking')
    this.#o.acknowledge(held.entry.id)
  }

  #delay(held: Held<Fields>, delayMs: number): void {
    this.#o.held.move(held, 'delayed')
    if (this.#isClosed) return
    held.timer = setTimeout(() => {
      this.#o.held.move(held, 'ready')
      this.#o.onReady()
    }, delayMs)
  }

  /** Written to the dead-letter stream before it is acknowledged; what cannot be written is kept and tried again. */
  async #bury(held: Held<Fields>, reason: string, before?: (entry: StreamEntry<Fields>) => unknown): Promise<void> {
    const { options, logger } = this.#o
    const { id, stream, fields, deliveries } = held.entry
    try {
      await before?.(held.entry)
      const queue = new StreamQueue(options.deadLetterStream, { connection: options.connection })
      await queue.add({ ...fields, _id: id, _stream: stream, _reason: reason, _deliveries: String(deliveries) })
      logger?.error({ stream, entryId: id, reason, deliveries }, `dead letter: ${reason}`)
      this.#acknowledge(held)
    } catch (error) {
      this.#o.onError(toError(error))
      this.#delay(held, BURY_RETRY_MS)
    }
    this.#o.onFreed()
  }
}

/** Promises of other makers and of other realms are promises too. */
function isThenable(result: ReturnType<StreamHandler>): result is Promise<HandlerResult> {
  return typeof (result as Partial<Promise<HandlerResult>> | undefined)?.then === 'function'
}
