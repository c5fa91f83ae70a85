import { errorLine, toError } from '#runtime/errors.ts'
import { untilAborted } from '#runtime/within.ts'
import { sleep } from './clock.ts'
import type { WireCodec } from './codec.ts'
import { StreamConsumer } from './consumer.ts'
import type { StreamEntry } from './entry.ts'
import { StreamError } from './errors.ts'
import type { WorkerHooks } from './hooks.ts'
import { type Anything, StreamJob } from './job.ts'
import { type LeftOutOf, leaveOut } from './left-out.ts'
import { WORKER_METHODS, WORKER_PROPERTIES, WORKER_STATICS } from './left-out-words.ts'
import { assertFunction, assertPositive } from './option-checks.ts'
import { deadLetter, type Outcome } from './outcome.ts'
import { StreamPool } from './pool.ts'
import { type EntryEvents, SafeEmitter } from './worker-events.ts'
import { type ResolvedOptions, resolveWorkerOptions, type StreamWorkerOptions } from './worker-options.ts'

/**
 * Does the work of one entry; may be called more than once for it (at least once). What it returns goes to `completed`,
 * but for an Outcome. `signal` aborts when a closing worker has run out of time. A rejection counts an attempt, and the
 * entry comes again after a back-off.
 */
export type StreamHandler<Data = Anything, Result = Anything, Name extends string = string> = (
  job: StreamJob<Data, Name>,
  signal: AbortSignal,
) => Promise<Result | Outcome> | Result | Outcome

/** `created` → `running` → `closing` → `closed`; one that never ran goes to `closing` at once. */
type State = 'created' | 'running' | 'closing' | 'closed'

const START_RETRY_MS = 500
/** After the deadline: how long aborted handlers and the last acknowledgements may still take, in ms. */
const ABORT_GRACE_MS = 1000

/** How long a closing worker without a deadline waits for a server that takes no acknowledgement, in ms. */
const ACK_PATIENCE_MS = 10_000

/** What BullMQ's Worker can and this one leaves out: each throws a sentence that says what to use. */
// biome-ignore lint/correctness/noUnusedVariables: an interface that merges has its class’s parameters.
export interface StreamWorker<Data, Result, Name extends string>
  extends LeftOutOf<typeof WORKER_METHODS & typeof WORKER_PROPERTIES> {}

/**
 * A worker on one Redis stream, with the life of BullMQ's `Worker`. Delivery promise: at least once; an entry is
 * acknowledged and deleted, in one step, only after its handler is through. What a process had leased when it died is taken
 * over by another once it has been idle for `claimMinIdleMs`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface adds only words that throw.
export class StreamWorker<Data = Anything, Result = Anything, Name extends string = string> extends SafeEmitter<
  Data,
  Result,
  Name
> {
  /** The stream's key. */
  readonly name: string
  readonly #handler: StreamHandler<Data, Result, Name>
  readonly #hooks: WorkerHooks<Data>
  readonly #options: ResolvedOptions
  readonly #codec: WireCodec
  readonly #consumer: StreamConsumer<Record<string, string>>
  readonly #pool: StreamPool
  readonly #ownsPool: boolean
  readonly #abort = new AbortController()
  /** Only while somebody listens: one object from `active` to `completed`. */
  readonly #jobs = new WeakMap<StreamEntry, StreamJob<Data, Name>>()
  #state: State = 'created'
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
  readonly #closed = Promise.withResolvers<void>()
  readonly #ready = Promise.withResolvers<void>()
  #isPaused = false
  #pauses = 0
  #stopReconnect: (() => void) | undefined

  /** Throws a TypeError that names the option which is wrong, or says what to use where it is left out. */
  constructor(name: string, handler: StreamHandler<Data, Result, Name>, options: StreamWorkerOptions<Data>) {
    super(options?.logger)
    assertFunction('handler', handler)
    this.name = name
    this.#handler = handler
    this.#hooks = options?.hooks ?? {}
    this.#options = resolveWorkerOptions(name, options)
    this.#codec = this.#options.codec
    const { connection, pollIntervalMs, pool } = this.#options
    this.#ownsPool = pool === undefined
    this.#pool = pool ?? new StreamPool({ connection, maxInFlight: Number.MAX_SAFE_INTEGER, pollIntervalMs })
    this.#consumer = new StreamConsumer({
      name,
      handler: (entry, signal) => this.#handle(entry, signal),
      options: this.#options,
      pool: this.#pool,
      signal: this.#abort.signal,
      announce: (event, ...payload) => this.#tell(event, ...payload),
    })
    this.#ready.promise.catch(() => undefined)
    if (this.#options.autorun) void this.run()
  }

  /** What cannot be decoded now can never be. */
  #handle(entry: StreamEntry, signal: AbortSignal): unknown {
    let job: StreamJob<Data, Name>
    try {
      job = this.#jobs.get(entry) ?? new StreamJob(entry, this.#codec)
    } catch (error) {
      return deadLetter(`cannot be decoded: ${errorLine(error)}`)
    }
    const { handle } = this.#hooks
    return handle === undefined ? this.#handler(job, signal) : handle(job, () => this.#handler(job, signal))
  }

  #jobOf(entry: StreamEntry): StreamJob<Data, Name> | undefined {
    const known = this.#jobs.get(entry)
    if (known !== undefined) return known
    try {
      const job = new StreamJob<Data, Name>(entry, this.#codec)
      this.#jobs.set(entry, job)
      return job
    } catch {
      return undefined
    }
  }

  /** The machinery knows entries, listeners know jobs. */
  #tell<EventName extends keyof EntryEvents<Record<string, string>>>(
    event: EventName,
    ...payload: EntryEvents<Record<string, string>>[EventName]
  ): void {
    if (event !== 'active' && event !== 'completed' && event !== 'failed') this.announce(event, ...(payload as never))
    else if (this.hears(event)) this.#tellOfJob(event, ...(payload as EntryEvents<Record<string, string>>['completed']))
  }

  #tellOfJob(event: 'active' | 'completed' | 'failed', entry: StreamEntry, said: unknown): void {
    const job = this.#jobOf(entry)
    // What becomes a dead letter as it arrives has not run this time.
    if (event !== 'active' && !(said instanceof StreamError && said.code === 'STREAM_POISON')) job?.endRun()
    if (event === 'failed') this.announce('failed', job, said as Error)
    else if (event === 'active' && job !== undefined) this.announce('active', job)
    else if (job !== undefined) this.announce('completed', job, said as Result)
  }

  /** Handlers at once; settable while it runs, up and down. */
  get concurrency(): number {
    return this.#consumer.concurrency
  }

  /** Throws a TypeError for what is no count. */
  set concurrency(value: number) {
    assertPositive('concurrency', value)
    this.#consumer.concurrency = value
  }

  /** Its share of the pool's slots beside other workers; settable while it runs. */
  get weight(): number {
    return this.#consumer.weight
  }

  /** Throws a TypeError for what is no whole number from 1 on. */
  set weight(value: number) {
    assertPositive('weight', value)
    this.#consumer.weight = value
  }

  /** The consumer's name in the group. */
  get consumer(): string {
    return this.#options.consumer
  }

  /** Handlers in flight. */
  get inFlight(): number {
    return this.#consumer.inFlight
  }

  /** When the stream was last asked for entries, in ms since the epoch; 0 = never. */
  get lastPollAt(): number {
    return this.#consumer.lastPollAt
  }

  /** It was told to run and not yet to close. */
  isRunning(): boolean {
    return this.#state === 'running'
  }

  /** This worker was told to pause; a pause of the queue is the queue's. */
  isPaused(): boolean {
    return this.#isPaused
  }

  /** Resolves when it is connected, the group is there, and it reads; rejects when it is closed before. */
  waitUntilReady(): Promise<void> {
    return this.#ready.promise
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
    this.#stopReconnect = this.#options.connection.onReconnect(() => this.#consumer.onReconnect())
    this.#pool.add(this.#consumer)
    if (!this.#isPaused) this.#consumer.open()
    this.#ready.resolve()
    this.announce('ready')
    if (this.#consumer.isQueuePaused) this.announce('paused')
    await this.#closed.promise
  }

  async #prepare(): Promise<boolean> {
    try {
      await this.#options.connection.ready()
      await this.#consumer.ensureGroup()
      await this.#consumer.lookUpPause()
      return true
    } catch (error) {
      // Its own connection ends with it: that is no trouble.
      if (this.#state === 'running') this.announce('error', toError(error))
      return false
    }
  }

  /**
   * Reads nothing more. Resolves, and `paused` is announced, when no handler runs and what was done is
   * acknowledged; at once with `doNotWaitActive`. Entries not yet begun are given up to other workers, delayed entries when their
   * time has come.
   */
  async pause(doNotWaitActive = false): Promise<void> {
    const isNews = !this.#isPaused
    const pauses = isNews ? ++this.#pauses : this.#pauses
    if (isNews) {
      this.#isPaused = true
      this.#consumer.shut()
    }
    if (!doNotWaitActive) {
      await this.#consumer.whenIdle()
      await this.#consumer.whenAcknowledged()
    }
    if (isNews && this.#isPaused && pauses === this.#pauses) this.announce('paused')
  }

  /** Reads again, unless its queue is paused. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.announce('resumed')
    if (this.#state === 'running') this.#consumer.open()
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
    this.#ready.reject(new StreamError('STREAM_CLOSED', `worker of ${this.name} is closed`))
    this.#consumer.shut()
    this.announce('closing')
    this.#stopReconnect?.()
    const abort = () => this.#abort.abort()
    if (deadline?.aborted) abort()
    deadline?.addEventListener('abort', abort, { once: true })
    await this.#untilAborted(this.#consumer.whenIdle())
    await this.#untilAborted(this.#consumer.whenAcknowledged(), ACK_PATIENCE_MS)
    deadline?.removeEventListener('abort', abort)
    this.#pool.remove(this.#consumer)
    if (this.#ownsPool) await this.#pool.close()
    await this.#consumer.leave()
    if (this.#options.ownsConnection) await this.#options.connection.close()
    this.#state = 'closed'
    this.#closed.resolve()
    this.announce('closed')
  }

  /** Waits, but no longer than a moment after the abort, nor than `patienceMs`. */
  #untilAborted(work: Promise<void>, patienceMs?: number): Promise<void> {
    const patience = { signal: this.#abort.signal, graceMs: ABORT_GRACE_MS, limitMs: patienceMs }
    return untilAborted(work, patience, () => undefined)
  }
}

leaveOut(StreamWorker.prototype, WORKER_METHODS, WORKER_PROPERTIES)
leaveOut(StreamWorker, WORKER_STATICS)
