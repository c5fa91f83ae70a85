import { toError } from '#runtime/errors.ts'
import { Acker } from './acker.ts'
import { type RawEntry, type StreamHandler, toEntry } from './entry.ts'
import { EntryRunner } from './entry-runner.ts'
import { isNoGroup, withoutCommand } from './errors.ts'
import { ConsumerGroup } from './group.ts'
import { freeSlots, HeldEntries } from './held.ts'
import { QueueLimiter } from './limiter.ts'
import type { StreamPool } from './pool.ts'
import type { PoolMember, ReadResult } from './pool-member.ts'
import { Recovery } from './recovery.ts'
import type { Announce } from './worker-events.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

export interface StreamConsumerOptions<Fields extends Record<string, string>> {
  name: string
  handler: StreamHandler<Fields>
  options: ResolvedWorkerOptions<Fields>
  pool: StreamPool
  /** Aborts when a closing worker has run out of time. */
  signal: AbortSignal
  announce: Announce<Fields>
}

/** What is done but not yet acknowledged may run this far ahead of the server before nothing more is read. */
const MAX_UNACKED = 5000

/**
 * One consumer of a group at work: reads as many entries as it has free slots, sees each through its life, and keeps
 * what it holds alive. It works while it is open; what it holds it keeps until `leave`.
 */
export class StreamConsumer<Fields extends Record<string, string>> implements PoolMember {
  readonly stream: string
  readonly #options: ResolvedWorkerOptions<Fields>
  readonly #pool: StreamPool
  readonly #announce: Announce<Fields>
  readonly #held = new HeldEntries<Fields>()
  readonly #group: ConsumerGroup
  readonly #acker: Acker
  readonly #recovery: Recovery<Fields>
  readonly #runner: EntryRunner<Fields>
  readonly #limiter: QueueLimiter | undefined
  #concurrency: number
  #isOpen = false
  #isQueuePaused = false
  #reading = 0
  #idle: PromiseWithResolvers<void> | undefined
  /** Everything up to this id was delivered to the group, as far as is known. */
  seenId = '0-0'
  /** When the stream was last asked for entries, in ms since the epoch; 0 = never. */
  lastPollAt = 0

  constructor({ name, handler, options, pool, signal, announce }: StreamConsumerOptions<Fields>) {
    const { connection, group, consumer, limiter } = options
    const onError = (error: unknown) => this.reportError(toError(error))
    this.stream = name
    this.#options = options
    this.#pool = pool
    this.#announce = announce
    this.#concurrency = options.concurrency
    this.#group = new ConsumerGroup(connection, { stream: name, group, consumer })
    this.#limiter = limiter && new QueueLimiter(connection, name, limiter, onError)
    this.#acker = new Acker({ connection, stream: name, group, onAcked: ids => this.#onAcked(ids), onError })
    this.#recovery = new Recovery({
      group: this.#group,
      held: this.#held,
      minIdleMs: options.claimMinIdleMs,
      mayInherit: options.isNamed,
      accept: (entries, deliveries) => this.#accept(entries, deliveries),
      settleDeleted: id => this.#acker.add(id),
      onStalled: id => announce('stalled', id),
    })
    this.#runner = new EntryRunner({
      handler,
      held: this.#held,
      group: this.#group,
      options,
      signal,
      limiter: this.#limiter,
      announce,
      acknowledge: id => this.#acker.add(id),
      letGo: id => this.#letGo(id),
      onFreed: () => this.#freed(),
      onReady: () => pool.wake(this),
    })
  }

  get active(): number {
    return this.inFlight + this.#reading
  }

  /** Handlers at work. */
  get inFlight(): number {
    return this.#held.count('active')
  }

  get concurrency(): number {
    return this.#concurrency
  }

  set concurrency(value: number) {
    this.#concurrency = value
    this.#pool.wake(this)
  }

  get ready(): number {
    return this.#mayBegin ? this.#held.count('ready') : 0
  }

  get free(): number {
    return this.#mayBegin ? this.#free : 0
  }

  get #free(): number {
    return freeSlots(this.#concurrency, this.#held, this.#reading)
  }

  get canRead(): boolean {
    return this.#mayBegin && this.#mayRead && this.#free > this.#held.count('ready')
  }

  get #mayBegin(): boolean {
    return this.#isOpen && !this.#isQueuePaused
  }

  /** What was lost or abandoned comes first, and the server must be there. */
  get #mayRead(): boolean {
    return (
      this.#options.connection.isUsable &&
      !this.#recovery.isLosing &&
      !this.#recovery.isOwing &&
      this.#held.count('acking') < MAX_UNACKED &&
      !this.#limiter?.isUsedUp(performance.now())
    )
  }

  /** Makes the group at id 0 where it is missing. */
  async ensureGroup(): Promise<void> {
    await this.#group.ensure()
    this.seenId = '0-0'
  }

  /** Begins to read and to run. */
  open(): void {
    this.#isOpen = true
    this.#pool.wake(this, true)
  }

  /** Neither reads nor runs anything more; what runs goes on, and is kept alive. */
  shut(): void {
    this.#isOpen = false
  }

  /** The server was away: entries may be ours that we never heard of. */
  onReconnect(): void {
    this.#recovery.loseTrack()
    this.#pool.wake(this, true)
  }

  /** No handler is at work and no read under way. */
  whenIdle(): Promise<void> {
    if (this.active === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  /** Everything done so far has been acknowledged. */
  whenAcknowledged(): Promise<void> {
    return this.#acker.drained()
  }

  /** Gives up what it holds, so that others may claim it at once, and leaves the group. */
  async leave(): Promise<void> {
    this.#acker.close()
    this.#runner.close()
    const left = [...this.#held.values()].map(({ entry }) => entry.id)
    for (const id of left) this.#held.remove(id)
    if (!this.#options.connection.isUsable) return
    await this.#group.leave(left, this.#options.claimMinIdleMs).catch(error => {
      if (!isNoGroup(error)) this.reportError(toError(error))
    })
  }

  setQueuePaused(isPaused: boolean): void {
    if (this.#isQueuePaused === isPaused) return
    this.#isQueuePaused = isPaused
    this.#announce(isPaused ? 'paused' : 'resumed')
    if (!isPaused) this.#pool.wake(this, true)
  }

  async take(slots: number): Promise<ReadResult> {
    let left = slots
    for (; left > 0; left--) {
      const held = this.#held.nextReady()
      if (held === undefined) break
      this.#runner.begin(held)
    }
    return left > 0 ? this.#read(Math.min(left, this.#options.readCount)) : 'none'
  }

  async #read(count: number): Promise<ReadResult> {
    this.#reading = count
    this.lastPollAt = Date.now()
    const askedAtMs = performance.now()
    let entries: RawEntry[] | undefined
    try {
      entries = await this.#group.read(count)
    } catch (error) {
      await this.#onReadError(toError(error))
    } finally {
      this.#reading = 0
    }
    const result = entries === undefined ? 'failed' : this.#begin(entries, count, askedAtMs)
    this.#settleIdle()
    return result
  }

  #begin(entries: readonly RawEntry[], count: number, askedAtMs: number): ReadResult {
    const last = entries.at(-1)
    if (last === undefined) return 'empty'
    this.seenId = last[0]
    for (const [id, fields] of entries) {
      if (fields === null) this.#acker.add(id)
      else this.#runner.begin(this.#held.add(toEntry(this.stream, id, fields, 1), askedAtMs, 'active'))
    }
    if (entries.length === count) return 'full'
    this.#announce('drained')
    return 'some'
  }

  async catchUp(): Promise<void> {
    const seen = await this.#group.lastDeliveredId().catch(() => undefined)
    if (seen !== undefined) this.seenId = seen
  }

  async #onReadError(error: Error): Promise<void> {
    // Entries may have been handed to us in a reply that never came.
    this.#recovery.loseTrack()
    if (!isNoGroup(error)) return this.reportError(error)
    try {
      await this.ensureGroup()
      this.#options.logger?.warn({ stream: this.stream }, 'the group was gone and has been made again at 0')
    } catch (thrown) {
      this.reportError(toError(thrown))
    }
  }

  isDue(nowMs: number, isEmpty: boolean): boolean {
    return this.#options.connection.isUsable && this.#recovery.isDue(nowMs, isEmpty)
  }

  async maintain(nowMs: number, isEmpty: boolean): Promise<void> {
    try {
      const freeSlots = this.#free - this.#held.count('ready')
      await this.#recovery.maintain(nowMs, { mayClaim: this.#mayBegin, freeSlots, isEmpty })
    } catch (error) {
      if (!isNoGroup(error)) throw error
      await this.ensureGroup()
      this.#pool.wake(this, true)
    }
  }

  reportError(error: Error): void {
    this.#announce('error', withoutCommand(error))
  }

  /** Entries that recovery found: held at once, begun as slots become free. */
  #accept(entries: readonly RawEntry[], deliveries: ReadonlyMap<string, number>): void {
    const nowMs = performance.now()
    for (const [id, fields] of entries) {
      if (fields !== null && !this.#held.has(id)) {
        this.#held.add(toEntry(this.stream, id, fields, deliveries.get(id) ?? 1), nowMs)
      }
    }
    this.#pool.wake(this)
  }

  #freed(): void {
    this.#settleIdle()
    if (this.#isOpen) this.#pool.freed(this)
  }

  #settleIdle(): void {
    if (this.#idle === undefined || this.active > 0) return
    this.#idle.resolve()
    this.#idle = undefined
  }

  /** If nobody took it, it is still ours on the server: the look for own entries, or a claim, brings it back. */
  #letGo(id: string): void {
    this.#held.remove(id)
    this.#recovery.loseTrack()
  }

  #onAcked(ids: readonly string[]): void {
    for (const id of ids) this.#held.remove(id)
    if (this.#isOpen) this.#pool.wake(this)
  }
}
