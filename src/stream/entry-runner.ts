import { errorLine, toError } from '#runtime/errors.ts'
import { performance, setTimeout } from './clock.ts'
import { failureBackoffMs, isPoison, MAX_TIMER_MS } from './delivery.ts'
import type { DeliveryCounter } from './delivery-counter.ts'
import type { HandlerResult, StreamHandler } from './entry.ts'
import { StreamError } from './errors.ts'
import type { Lease, LeasedEntries } from './leased-entries.ts'
import type { QueueLimiter } from './limiter.ts'
import { type Outcome, saidBy } from './outcome.ts'
import type { SuspectLane } from './suspect-lane.ts'
import type { Announce } from './worker-events.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

export interface EntryRunnerOptions<Fields extends Record<string, string>> {
  handler: StreamHandler<Fields>
  leased: LeasedEntries<Fields>
  counter: DeliveryCounter
  lane: SuspectLane
  options: Pick<ResolvedWorkerOptions<Fields>, 'maxDeliveries' | 'maxBackoffMs' | 'backoffMs'>
  /** Aborts when a closing worker has run out of time. */
  signal: AbortSignal
  limiter: Pick<QueueLimiter, 'acquire'> | undefined
  announce: Announce<Fields>
  acknowledge(lease: Lease<Fields>): void
  /** Forgets an entry that may have become another consumer's. */
  letGo(lease: Lease<Fields>): void
  /** Writes the dead letter and acknowledges, unless the entry is not ours any more (`false`). */
  writeLetter(lease: Lease<Fields>): Promise<boolean>
  /** Writes down, beside the stream, how long it shall wait. */
  storeDelay(lease: Lease<Fields>, delayMs: number): void
  /** A slot is free. */
  onFreed(): void
  /** An entry's pause is over. */
  onReady(lease: Lease<Fields>): void
}

/** Pause before a dead letter that could not be written is tried again, in ms. */
const LETTER_RETRY_MS = 1000
/** Pause before an entry is begun whose delivery the server could not be told, in ms. */
const COUNT_RETRY_MS = 500

/**
 * Takes an entry through its life in a slot: runs the handler and does what its outcome says, matched exhaustively.
 * Whatever happens, the entry ends as acknowledged or delayed, never forgotten. What is said of an entry whose
 * lease was lost meanwhile changes nothing.
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
  begin(lease: Lease<Fields>): void {
    const { limiter, options, lane } = this.#o
    this.#o.leased.move(lease, 'active')
    if (lease.letter !== undefined) {
      void this.#writeLetter(lease)
      return
    }
    const { deliveries } = lease.entry
    // One bad end in company proves nothing: what is suspected runs alone at least once.
    const most = lease.isSuspect ? Math.max(2, options.maxDeliveries) : options.maxDeliveries
    if (isPoison(deliveries, most)) {
      this.#condemn(lease, `delivered ${deliveries} times, never finished`)
      return
    }
    if (lease.isSuspect) lane.enter(lease, options.maxDeliveries, performance.now())
    if (limiter === undefined && lease.isCounted) this.#run(lease)
    else void this.#prepare(lease)
  }

  /** A permit and a counted delivery come first. Without a permit it waits for the next window, and none is counted. */
  async #prepare(lease: Lease<Fields>): Promise<void> {
    const waitMs = (await this.#o.limiter?.acquire()) ?? 0
    if (lease.state !== 'active') return
    if (waitMs > 0) {
      this.#putOff(lease, waitMs)
      return
    }
    if (!lease.isCounted) {
      const isOurs = await this.#o.counter.count(lease).catch(() => undefined)
      if (lease.state !== 'active') return
      if (isOurs !== true) {
        if (isOurs === undefined) this.#putOff(lease, COUNT_RETRY_MS)
        else this.#drop(lease)
        return
      }
      lease.isCounted = true
      if (lease.isLost) {
        // It may have become another's while the answer was on its way, and nobody has begun it here.
        this.#o.counter.forgive(lease)
        this.#drop(lease)
        return
      }
    }
    this.#run(lease)
  }

  /** It did not run: a suspect gives its place back and remains one. */
  #putOff(lease: Lease<Fields>, delayMs: number): void {
    this.#o.lane.leave(lease, performance.now(), false)
    this.#delay(lease, delayMs)
    this.#o.onFreed()
  }

  #drop(lease: Lease<Fields>): void {
    this.#o.lane.leave(lease, performance.now(), false)
    this.#o.letGo(lease)
    this.#o.onFreed()
  }

  #run(lease: Lease<Fields>): void {
    const { handler, signal } = this.#o
    this.#o.announce('active', lease.entry)
    let result: ReturnType<StreamHandler<Fields>>
    try {
      result = handler(lease.entry, signal)
      if (isThenable(result)) {
        result.then(
          outcome => this.#settle(lease, outcome),
          error => this.#fail(lease, toError(error)),
        )
        return
      }
    } catch (error) {
      this.#fail(lease, toError(error))
      return
    }
    this.#settle(lease, result)
  }

  /**
   * The process lives: whatever the handler said, it has not died of this entry. Its place in the lane it leaves when the
   * server knows: a killer that came next would stand against both. False for one that is gone.
   */
  #isOver(lease: Lease<Fields>): boolean {
    lease.isSuspect = false
    return lease.state === 'active'
  }

  #settle(lease: Lease<Fields>, result: HandlerResult): void {
    if (!this.#isOver(lease)) return
    let outcome: Outcome | undefined
    try {
      outcome = saidBy(result)
    } catch (error) {
      this.#failed(lease, toError(error))
      return
    }
    if (outcome === undefined) {
      this.#o.leased.move(lease, 'acking')
      this.#o.acknowledge(lease)
      this.#o.announce('completed', lease.entry, result)
    } else if (outcome.kind === 'retry-later') {
      this.#delay(lease, outcome.delayMs)
      if (lease.state === 'delayed') this.#o.storeDelay(lease, outcome.delayMs)
    } else {
      lease.letter = { reason: outcome.reason, isPoison: false }
      this.#o.announce('failed', lease.entry, new StreamError('STREAM_DEAD_LETTER', outcome.reason))
      void this.#writeLetter(lease)
      return
    }
    this.#o.onFreed()
  }

  #fail(lease: Lease<Fields>, error: Error): void {
    if (this.#isOver(lease)) this.#failed(lease, error)
  }

  #failed(lease: Lease<Fields>, error: Error): void {
    const { options, signal } = this.#o
    this.#leaveLane(lease)
    this.#o.announce('failed', lease.entry, error)
    if (lease.isLost) {
      this.#o.letGo(lease)
    } else if (signal.aborted) {
      // It was told to stop and obeyed: given up with the rest of what is left, and no delivery counted.
      this.#o.leased.move(lease, 'delayed')
    } else {
      // The server goes on counting the run that failed; the next one is counted when it begins.
      lease.isCounted = false
      const runs = lease.entry.deliveries
      if (isPoison(runs + 1, options.maxDeliveries)) {
        const times = runs === 1 ? 'failed once, with' : `failed ${runs} times, the last with`
        this.#condemn(lease, `${times}: ${errorLine(error)}`)
        return
      }
      lease.entry = { ...lease.entry, deliveries: runs + 1 }
      const delayMs = this.#backoffMs(lease, error)
      if (delayMs < 0) {
        // No further run comes: the letter has those that there were.
        lease.entry = { ...lease.entry, deliveries: runs }
        lease.letter = { reason: errorLine(error), isPoison: false }
        void this.#writeLetter(lease)
        return
      }
      this.#delay(lease, delayMs)
    }
    this.#o.onFreed()
  }

  /** Below 0: it is not to be tried again. */
  #backoffMs({ entry }: Lease<Fields>, error: Error): number {
    const { maxBackoffMs, backoffMs } = this.#o.options
    if (backoffMs === undefined) return failureBackoffMs(entry.deliveries, maxBackoffMs)
    try {
      return backoffMs(entry.deliveries - 1, error, entry)
    } catch (thrown) {
      this.#o.announce('error', toError(thrown))
      return failureBackoffMs(entry.deliveries, maxBackoffMs)
    }
  }

  #delay(lease: Lease<Fields>, delayMs: number): void {
    // Another consumer may have it by now: what is to be done with it is that one's business.
    if (lease.isLost) this.#letGo(lease)
    else if (this.#o.leased.move(lease, 'delayed')) {
      if (lease.isCounted) void this.#o.counter.takeBack(lease).then(() => this.#leaveLane(lease))
      else this.#leaveLane(lease)
      this.wait(lease, delayMs)
    }
  }

  /** Makes a delayed entry ready when its time has come, however far off that is. */
  wait(lease: Lease<Fields>, delayMs: number): void {
    if (this.#isClosed) return
    const restMs = delayMs - MAX_TIMER_MS
    lease.timer = setTimeout(
      () => {
        lease.timer = undefined
        if (restMs > 0) this.wait(lease, restMs)
        else if (this.#o.leased.move(lease, lease.isSuspect ? 'suspect' : 'ready')) this.#o.onReady(lease)
      },
      Math.min(delayMs, MAX_TIMER_MS),
    )
  }

  #letGo(lease: Lease<Fields>): void {
    this.#leaveLane(lease)
    this.#o.letGo(lease)
  }

  #leaveLane(lease: Lease<Fields>): void {
    this.#o.lane.leave(lease, performance.now())
  }

  #condemn(lease: Lease<Fields>, reason: string): void {
    lease.letter = { reason, isPoison: true }
    lease.isSuspect = false
    this.#o.announce('failed', lease.entry, new StreamError('STREAM_POISON', reason))
    void this.#writeLetter(lease)
  }

  /** Written to the dead-letter stream before it is acknowledged; what cannot be written is kept and tried again. */
  async #writeLetter(lease: Lease<Fields>): Promise<void> {
    try {
      const isOurs = await this.#o.writeLetter(lease)
      if (lease.state === 'active' && isOurs) this.#o.leased.remove(lease)
      else if (lease.state === 'active') this.#letGo(lease)
      this.#leaveLane(lease)
    } catch (error) {
      this.#o.announce('error', toError(error))
      if (lease.state === 'active') this.#delay(lease, LETTER_RETRY_MS)
    }
    this.#o.onFreed()
  }
}

/** Promises of other makers and of other realms are promises too. */
function isThenable(result: ReturnType<StreamHandler>): result is Promise<HandlerResult> {
  return typeof (result as Partial<Promise<HandlerResult>> | undefined)?.then === 'function'
}
