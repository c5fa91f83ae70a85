import { toError } from '#runtime/errors.ts'
import { failureBackoffMs, isPoison, MAX_TIMER_MS } from './delivery.ts'
import type { DeliveryCounter } from './delivery-counter.ts'
import type { HandlerResult, StreamHandler } from './entry.ts'
import { StreamError } from './errors.ts'
import type { Held, HeldEntries } from './held.ts'
import type { QueueLimiter } from './limiter.ts'
import { type Outcome, saidBy } from './outcome.ts'
import type { SuspectLane } from './suspect-lane.ts'
import type { Announce } from './worker-events.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

export interface EntryRunnerOptions<Fields extends Record<string, string>> {
  handler: StreamHandler<Fields>
  held: HeldEntries<Fields>
  counter: DeliveryCounter
  lane: SuspectLane
  options: Pick<ResolvedWorkerOptions<Fields>, 'maxDeliveries' | 'maxBackoffMs'>
  /** Aborts when a closing worker has run out of time. */
  signal: AbortSignal
  limiter: Pick<QueueLimiter, 'acquire'> | undefined
  announce: Announce<Fields>
  acknowledge(held: Held<Fields>): void
  /** Forgets an entry that may have become another consumer's. */
  letGo(held: Held<Fields>): void
  /** Writes the dead letter and acknowledges, unless the entry is not ours any more (`false`). */
  writeLetter(held: Held<Fields>): Promise<boolean>
  /** Writes down, beside the stream, how long it shall wait. */
  storeDelay(held: Held<Fields>, delayMs: number): void
  /** A slot is free. */
  onFreed(): void
  /** An entry's pause is over. */
  onReady(held: Held<Fields>): void
}

/** Pause before a dead letter that could not be written is tried again, in ms. */
const LETTER_RETRY_MS = 1000
/** Pause before an entry is begun whose delivery the server could not be told, in ms. */
const COUNT_RETRY_MS = 500

/**
 * Takes an entry through its life in a slot: runs the handler and does what its outcome says, matched exhaustively.
 * Whatever happens, the entry ends as acknowledged or delayed, never forgotten. What is said of an entry that is gone
 * from our hands meanwhile changes nothing.
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
    const { limiter, options, lane } = this.#o
    this.#o.held.move(held, 'active')
    if (held.letter !== undefined) {
      void this.#writeLetter(held)
      return
    }
    const { deliveries } = held.entry
    // One bad end in company proves nothing: what is suspected runs alone at least once.
    const most = held.isSuspect ? Math.max(2, options.maxDeliveries) : options.maxDeliveries
    if (isPoison(deliveries, most)) {
      this.#condemn(held)
      return
    }
    if (held.isSuspect) lane.enter(held, options.maxDeliveries, performance.now())
    if (limiter === undefined && held.isCounted) this.#run(held)
    else void this.#prepare(held)
  }

  /** A permit and a counted delivery come first. Without a permit it waits for the next window, and none is counted. */
  async #prepare(held: Held<Fields>): Promise<void> {
    const waitMs = (await this.#o.limiter?.acquire()) ?? 0
    if (held.state !== 'active') return
    if (waitMs > 0) {
      this.#putOff(held, waitMs)
      return
    }
    if (!held.isCounted) {
      const isOurs = await this.#o.counter.count(held).catch(() => undefined)
      if (held.state !== 'active') return
      if (isOurs !== true) {
        if (isOurs === undefined) this.#putOff(held, COUNT_RETRY_MS)
        else this.#drop(held)
        return
      }
      held.isCounted = true
    }
    this.#run(held)
  }

  /** It did not run: a suspect gives its place back and remains one. */
  #putOff(held: Held<Fields>, delayMs: number): void {
    this.#o.lane.leave(held, performance.now(), false)
    this.#delay(held, delayMs)
    this.#o.onFreed()
  }

  #drop(held: Held<Fields>): void {
    this.#o.lane.leave(held, performance.now(), false)
    this.#o.letGo(held)
    this.#o.onFreed()
  }

  #run(held: Held<Fields>): void {
    const { handler, signal } = this.#o
    this.#o.announce('active', held.entry)
    let result: ReturnType<StreamHandler<Fields>>
    try {
      result = handler(held.entry, signal)
      if (isThenable(result)) {
        result.then(
          outcome => this.#settle(held, outcome),
          error => this.#fail(held, toError(error)),
        )
        return
      }
    } catch (error) {
      this.#fail(held, toError(error))
      return
    }
    this.#settle(held, result)
  }

  /**
   * The process lives: whatever the handler said, it has not died of this entry. Its place in the lane it leaves when the
   * server knows: a killer that came next would stand against both. False for one that is gone.
   */
  #isOver(held: Held<Fields>): boolean {
    held.isSuspect = false
    return held.state === 'active'
  }

  #settle(held: Held<Fields>, result: HandlerResult): void {
    if (!this.#isOver(held)) return
    let outcome: Outcome | undefined
    try {
      outcome = saidBy(result)
    } catch (error) {
      this.#failed(held, toError(error))
      return
    }
    if (outcome === undefined) {
      this.#o.held.move(held, 'acking')
      this.#o.acknowledge(held)
      this.#o.announce('completed', held.entry)
    } else if (outcome.kind === 'retry-later') {
      this.#delay(held, outcome.delayMs)
      if (held.state === 'delayed') this.#o.storeDelay(held, outcome.delayMs)
    } else {
      held.letter = { reason: outcome.reason, isPoison: false }
      this.#o.announce('failed', held.entry, new StreamError('STREAM_DEAD_LETTER', outcome.reason))
      void this.#writeLetter(held)
      return
    }
    this.#o.onFreed()
  }

  #fail(held: Held<Fields>, error: Error): void {
    if (this.#isOver(held)) this.#failed(held, error)
  }

  #failed(held: Held<Fields>, error: Error): void {
    const { options, signal } = this.#o
    this.#leaveLane(held)
    this.#o.announce('failed', held.entry, error)
    if (held.isLost) {
      this.#o.letGo(held)
    } else if (signal.aborted) {
      // It was told to stop and obeyed: given up with the rest of what is left, and no delivery counted.
      this.#o.held.move(held, 'delayed')
    } else {
      // The server goes on counting the run that failed; the next one is counted when it begins.
      held.isCounted = false
      held.entry = { ...held.entry, deliveries: held.entry.deliveries + 1 }
      const { deliveries } = held.entry
      if (isPoison(deliveries, options.maxDeliveries)) {
        this.#condemn(held)
        return
      }
      this.#delay(held, failureBackoffMs(deliveries, options.maxBackoffMs))
    }
    this.#o.onFreed()
  }

  #delay(held: Held<Fields>, delayMs: number): void {
    // Another consumer may have it by now: what is to be done with it is that one's business.
    if (held.isLost) this.#letGo(held)
    else if (this.#o.held.move(held, 'delayed')) {
      if (held.isCounted) void this.#o.counter.takeBack(held).then(() => this.#leaveLane(held))
      else this.#leaveLane(held)
      this.wait(held, delayMs)
    }
  }

  /** Makes a delayed entry ready when its time has come, however far off that is. */
  wait(held: Held<Fields>, delayMs: number): void {
    if (this.#isClosed) return
    const restMs = delayMs - MAX_TIMER_MS
    held.timer = setTimeout(
      () => {
        held.timer = undefined
        if (restMs > 0) this.wait(held, restMs)
        else if (this.#o.held.move(held, held.isSuspect ? 'suspect' : 'ready')) this.#o.onReady(held)
      },
      Math.min(delayMs, MAX_TIMER_MS),
    )
  }

  #letGo(held: Held<Fields>): void {
    this.#leaveLane(held)
    this.#o.letGo(held)
  }

  #leaveLane(held: Held<Fields>): void {
    this.#o.lane.leave(held, performance.now())
  }

  #condemn(held: Held<Fields>): void {
    const reason = `delivered ${held.entry.deliveries} times`
    held.letter = { reason, isPoison: true }
    held.isSuspect = false
    this.#o.announce('failed', held.entry, new StreamError('STREAM_POISON', reason))
    void this.#writeLetter(held)
  }

  /** Written to the dead-letter stream before it is acknowledged; what cannot be written is kept and tried again. */
  async #writeLetter(held: Held<Fields>): Promise<void> {
    try {
      const isOurs = await this.#o.writeLetter(held)
      if (held.state === 'active' && isOurs) this.#o.held.remove(held)
      else if (held.state === 'active') this.#letGo(held)
      this.#leaveLane(held)
    } catch (error) {
      this.#o.announce('error', toError(error))
      if (held.state === 'active') this.#delay(held, LETTER_RETRY_MS)
    }
    this.#o.onFreed()
  }
}

/** Promises of other makers and of other realms are promises too. */
function isThenable(result: ReturnType<StreamHandler>): result is Promise<HandlerResult> {
  return typeof (result as Partial<Promise<HandlerResult>> | undefined)?.then === 'function'
}
