import { setTimeout as sleep } from 'node:timers/promises'
import { toError } from '#runtime/errors.ts'
import { Acker } from './acker.ts'
import { type RawEntry, type StreamHandler, toEntry } from './entry.ts'
import { EntryRunner } from './entry-runner.ts'
import { isNoGroup, StreamError } from './errors.ts'
import { ConsumerGroup } from './group.ts'
import { HeldEntries } from './held.ts'
import { type PoolMember, type ReadResult, StreamPool } from './pool.ts'
import { StreamQueue } from './queue.ts'
import { Recovery } from './recovery.ts'
import { SafeEmitter } from './worker-events.ts'
import {
  assertPositive,
  type ResolvedWorkerOptions,
  resolveWorkerOptions,
  type StreamWorkerOptions,
} from './worker-options.ts'

type State = 'created' | 'running' | 'closing' | 'closed'

const START_RETRY_MS = 500
/** What is done but not yet acknowledged may run this far ahead of the server before nothing more is read. */
const MAX_UNACKED = 5000
/** After the deadline: how long aborted handlers and the last acknowledgements may still take, in ms. */
const ABORT_GRACE_MS = 1000

/**
 * A worker on one Redis stream, with the life of BullMQ's `Worker`. Delivery promise: at least once; an entry is
 * acknowledged and deleted, in one step, only after its handler is through. What a process held when it died is taken
 * over by another once it has been idle for `claimMinIdleMs`.
 */
export class StreamWorker<Fields extends Record<string, string> = Record<string, string>> extends SafeEmitter<Fields> {
  readonly name: string
  readonly #options: ResolvedWorkerOptions<Fields>
  readonly #held = new HeldEntries<Fields>()
  readonly #group: ConsumerGroup
  readonly #acker: Acker
  readonly #recovery: Recovery<Fields>
  readonly #runner: EntryRunner<Fields>
  readonly #pool: StreamPool
  readonly #ownsPool: boolean
  readonly #member: PoolMember
  readonly #abort = new AbortController()
  #concurrency: number
  #state: State = 'created'
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
  readonly #closed = Promise.withResolvers<void>()
  #isPaused = false
  #isQueuePaused = false
  #reading = 0
  #seenId = '0-0'
  #idle: PromiseWithResolvers<void> | undefined
  #stopReconnect: (() => void) | undefined
  /** When the stream was last asked for entries, in ms since the epoch; 0 = never. */
  lastPollAt = 0

  constructor(name: string, handler: StreamHandler<Fields>, options: StreamWorkerOptions<Fields>) {
    super(options.logger)
    this.name = name
    this.#options = resolveWorkerOptions(name, options)
    this.#concurrency = this.#options.concurrency
    const { connection, group, consumer } = this.#options
    this.#group = new ConsumerGroup(connection, { stream: name, group, consumer })
    this.#acker = new Acker({
      connection,
      stream: name,
      group,
      onAcked: ids => this.#onAcked(ids),
      onError: error => this.#reportError(error),
    })
    this.#recovery = new Recovery({
      group: this.#group,
      held: this.#held,
      minIdleMs: this.#options.claimMinIdleMs,
      mayInherit: options.consumer !== undefined,
      accept: (entries, deliveries) => this.#accept(entries, deliveries),
      settleDeleted: id => this.#acker.add(id),
      onStalled: id => this.announce('stalled', id),
    })
    this.#runner = new EntryRunner({
      handler,
      held: this.#held,
      group: this.#group,
      options: this.#options,
      signal: this.#abort.signal,
      logger: options.logger,
      acknowledge: id => this.#acker.add(id),
      onActive: entry => this.announce('active', entry),
      onCompleted: entry => this.announce('completed', entry),
      onFailed: (entry, error) => this.announce('failed', entry, error),
      onError: error => this.#reportError(error),
      onFreed: () => this.#freed(),
      onReady: () => this.#pool.wake(this.#member),
    })
    this.#ownsPool = this.#options.pool === undefined
    const { pollIntervalMs } = this.#options
    this.#pool =
      this.#options.pool ?? new StreamPool({ connection, maxInFlight: Number.POSITIVE_INFINITY, pollIntervalMs })
    this.#member = this.#createMember()
    if (this.#options.autorun) void this.run()
  }

  /** Handlers at once; settable while it runs, up and down. */
  get concurrency(): number {
    return this.#concurrency
  }

  set concurrency(value: number) {
    assertPositive('concurrency', value)
    this.#concurrency = value
    this.#pool.wake(this.#member)
  }

  /** The consumer's name in the group. */
  get consumer(): string {
    return this.#options.consumer
  }

  /** Handlers at work. */
  get inFlight(): number {
    return this.#held.count('active')
  }

  isRunning(): boolean {
    return this.#state === 'running'
  }

  isPaused(): boolean {
    return this.#isPaused
  }

  /** Starts; resolves when the worker is closed. A second call joins the first. */
  run(): Promise<void> {
    if (this.#closing !== undefined)
      return Promise.reject(new StreamError('STREAM_CLOSED', `worker of ${this.name} is closed`))
    this.#running ??= this.#start()
    return this.#running
  }

  async #start(): Promise<void> {
    this.#state = 'running'
    while (this.#state === 'running' && !(await this.#prepare())) await sleep(START_RETRY_MS)
    if (this.#state !== 'running') return
    this.#stopReconnect = this.#options.connection.onReconnect(() => {
      this.#recovery.loseTrack()
      this.#pool.wake(this.#member, true)
    })
    this.#pool.add(this.#member)
    this.announce('ready')
    await this.#closed.promise
  }

  async #prepare(): Promise<boolean> {
    try {
      await this.#options.connection.ready()
      await this.#ensureGroup()
      return true
    } catch (error) {
      this.#reportError(toError(error))
      return false
    }
  }

  async #ensureGroup(): Promise<void> {
    const { connection, group } = this.#options
    await new StreamQueue(this.name, { connection }).ensureGroup(group)
    this.#seenId = '0-0'
  }

  /** Reads nothing more; resolves when no handler is at work, or at once with `doNotWaitActive`. */
  async pause(doNotWaitActive = false): Promise<void> {
    if (!this.#isPaused) {
      this.#isPaused = true
      this.announce('paused')
    }
    if (!doNotWaitActive) await this.#whenIdle()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.announce('resumed')
    this.#pool.wake(this.#member, true)
  }

  /**
   * Stops reading, lets handlers finish until `deadline`, then aborts them by their signal; what is not done stays
   * pending, to be claimed by others at once. `force` aborts right away. Memoised: every call is the first one.
   */
  close(force = false, deadline?: AbortSignal): Promise<void> {
    if (force) this.#abort.abort()
    this.#closing ??= this.#close(deadline)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(deadline: AbortSignal | undefined): Promise<void> {
    this.#state = 'closing'
    this.announce('closing')
    this.#stopReconnect?.()
    const abort = () => this.#abort.abort()
    if (deadline?.aborted) abort()
    deadline?.addEventListener('abort', abort, { once: true })
    await this.#untilAborted(this.#whenIdle())
    await this.#untilAborted(this.#acker.drained())
    deadline?.removeEventListener('abort', abort)
    this.#pool.remove(this.#member)
    if (this.#ownsPool) await this.#pool.close()
    this.#acker.close()
    this.#runner.close()
    await this.#leave()
    this.#state = 'closed'
    this.#closed.resolve()
    this.announce('closed')
  }

  /** Waits, but no longer than a moment after the abort. */
  async #untilAborted(work: Promise<void>): Promise<void> {
    const { signal } = this.#abort
    const late = Promise.withResolvers<void>()
    const onAbort = () => setTimeout(late.resolve, ABORT_GRACE_MS).unref()
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    await Promise.race([work, late.promise])
    signal.removeEventListener('abort', onAbort)
  }

  async #leave(): Promise<void> {
    const left = [...this.#held.values()].map(({ entry }) => entry.id)
    for (const id of left) this.#held.remove(id)
    if (!this.#options.connection.isUsable) return
    try {
      // No need for others to wait until they look abandoned.
      if (left.length > 0) await this.#group.touch('release', left, this.#options.claimMinIdleMs)
      await this.#group.leave()
    } catch (error) {
      if (!isNoGroup(error)) this.#reportError(toError(error))
    }
  }

  #whenIdle(): Promise<void> {
    if (this.#held.count('active') === 0 && this.#reading === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  #createMember(): PoolMember {
    const worker = this
    return {
      get stream() {
        return worker.name
      },
      get active() {
        return worker.#held.count('active') + worker.#reading
      },
      get concurrency() {
        return worker.#concurrency
      },
      get ready() {
        return worker.#mayBegin ? worker.#held.count('ready') : 0
      },
      get free() {
        return worker.#mayBegin ? worker.#freeSlots : 0
      },
      get canRead() {
        return worker.#mayBegin && worker.#mayRead && worker.#freeSlots > worker.#held.count('ready')
      },
      get seenId() {
        return worker.#seenId
      },
      take: slots => worker.#take(slots),
      setQueuePaused: isPaused => worker.#setQueuePaused(isPaused),
      maintain: nowMs => worker.#maintain(nowMs),
      reportError: error => worker.#reportError(error),
    }
  }

  get #mayBegin(): boolean {
    return this.#state === 'running' && !this.#isPaused && !this.#isQueuePaused
  }

  /** Own pending entries come first, and the server must be there. */
  get #mayRead(): boolean {
    return this.#options.connection.isUsable && !this.#recovery.isLosing && this.#held.count('acking') < MAX_UNACKED
  }

  /** Delayed entries keep their slots: a worker never holds more than it could do at once. */
  get #freeSlots(): number {
    return Math.max(0, this.#concurrency - this.#held.count('active') - this.#held.count('delayed') - this.#reading)
  }

  #setQueuePaused(isPaused: boolean): void {
    if (this.#isQueuePaused === isPaused) return
    this.#isQueuePaused = isPaused
    this.announce(isPaused ? 'paused' : 'resumed')
    if (!isPaused) this.#pool.wake(this.#member, true)
  }

  async #take(slots: number): Promise<ReadResult> {
    let left = slots
    for (
      let held = left > 0 ? this.#held.nextReady() : undefined;
      held !== undefined;
      held = left > 0 ? this.#held.nextReady() : undefined
    ) {
      this.#runner.begin(held)
      left -= 1
    }
    return left > 0 ? this.#read(Math.min(left, this.#options.readCount)) : 'none'
  }

  async #read(count: number): Promise<ReadResult> {
    this.#reading = count
    this.lastPollAt = Date.now()
    const askedAtMs = performance.now()
    let entries: RawEntry[] = []
    try {
      entries = await this.#group.read(count)
    } catch (error) {
      await this.#onReadError(toError(error))
    } finally {
      this.#reading = 0
    }
    if (entries.length === 0) {
      this.#settleIdle()
      return this.#onEmptyRead()
    }
    this.#seenId = (entries.at(-1) as RawEntry)[0]
    for (const [id, fields] of entries) {
      if (fields === null) this.#acker.add(id)
      else this.#runner.begin(this.#held.add(toEntry(this.name, id, fields, 1), askedAtMs))
    }
    this.#settleIdle()
    if (entries.length === count) return 'full'
    this.announce('drained')
    return 'some'
  }

  /** A peek had seen entries that others were given: look up how far the group is, or every peek would see them again. */
  async #onEmptyRead(): Promise<ReadResult> {
    const seen = await this.#group.lastDeliveredId().catch(() => undefined)
    if (seen !== undefined) this.#seenId = seen
    return 'empty'
  }

  async #onReadError(error: Error): Promise<void> {
    // Entries may have been handed to us in a reply that never came.
    this.#recovery.loseTrack()
    if (!isNoGroup(error)) return this.#reportError(error)
    try {
      await this.#ensureGroup()
      this.logger?.warn({ stream: this.name }, 'the group was gone and has been made again at 0')
    } catch (thrown) {
      this.#reportError(toError(thrown))
    }
  }

  /** Entries that recovery found: held at once, begun as slots become free. */
  #accept(entries: readonly RawEntry[], deliveries: ReadonlyMap<string, number>): void {
    const nowMs = performance.now()
    for (const [id, fields] of entries) {
      if (fields !== null && !this.#held.has(id)) {
        this.#held.add(toEntry(this.name, id, fields, deliveries.get(id) ?? 1), nowMs)
      }
    }
    this.#pool.wake(this.#member)
  }

  #freed(): void {
    this.#settleIdle()
    if (this.#state === 'running') this.#pool.wake(this.#member)
  }

  #settleIdle(): void {
    if (this.#idle === undefined || this.#held.count('active') > 0 || this.#reading > 0) return
    this.#idle.resolve()
    this.#idle = undefined
  }

  #onAcked(ids: readonly string[]): void {
    for (const id of ids) this.#held.remove(id)
    if (this.#state === 'running') this.#pool.wake(this.#member)
  }

  async #maintain(nowMs: number): Promise<void> {
    if (!this.#options.connection.isUsable) return
    try {
      await this.#recovery.maintain(nowMs, this.#mayBegin ? this.#freeSlots - this.#held.count('ready') : 0)
    } catch (error) {
      if (!isNoGroup(error)) throw error
      await this.#ensureGroup()
      this.#pool.wake(this.#member, true)
    }
  }

  #reportError(error: Error): void {
    this.announce('error', error)
  }
}
