import { toError } from '#runtime/errors.ts'
import { performance } from './clock.ts'
import { clientOf } from './connection.ts'
import { ConsumerWork } from './consumer-work.ts'
import { DeadLetterWriter } from './dead-letter-writer.ts'
import type { StreamEntry, StreamHandler } from './entry.ts'
import { isNoGroup, StreamError, withoutCommand } from './errors.ts'
import { ConsumerGroup } from './group.ts'
import { QueueLimiter } from './limiter.ts'
import type { StreamPool } from './pool.ts'
import type { PoolMember, ReadResult } from './pool-member.ts'
import { StoredDelays } from './stored-delays.ts'
import { pausedKey } from './stream-name.ts'
import { suspectLane } from './suspect-lane.ts'
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

/** How often it is said that another group reads the stream, in ms. */
const OTHER_GROUP_INTERVAL_MS = 60_000

/**
 * One consumer of a group: reads as many entries as it has free slots, sees each through its life, and renews
 * what it has leased. It works while it is open; what it has leased it keeps until `leave`.
 */
export class StreamConsumer<Fields extends Record<string, string>> implements PoolMember {
  readonly stream: string
  weight: number
  readonly #options: ResolvedWorkerOptions<Fields>
  readonly #pool: StreamPool
  readonly #announce: Announce<Fields>
  readonly #group: ConsumerGroup
  readonly #letters: DeadLetterWriter
  readonly #work: ConsumerWork<Fields>
  #isOpen = false
  #isQueuePaused = false
  #otherGroupSaidAtMs = Number.NEGATIVE_INFINITY

  constructor({ name, handler, options, pool, signal, announce }: StreamConsumerOptions<Fields>) {
    const { connection, group, consumer, limiter, deadLetterStream, letterBounds: bounds } = options
    const onError = (error: unknown) => this.reportError(toError(error))
    this.stream = name
    this.weight = options.weight
    this.#options = options
    this.#pool = pool
    this.#announce = announce
    this.#group = new ConsumerGroup(connection, { stream: name, group, consumer })
    const onDropped = (count: number) => this.#onLettersDropped(count)
    this.#letters = new DeadLetterWriter({ connection, deadLetterStream, bounds, onDropped, onError })
    this.#work = new ConsumerWork({
      stream: name,
      handler,
      options,
      group: this.#group,
      limiter: limiter && new QueueLimiter(connection, name, limiter, onError),
      delays: new StoredDelays(connection, name, onError),
      lane: suspectLane,
      signal,
      announce,
      writeDeadLetter: (entry, reason) => this.#writeDeadLetter(entry, reason),
      isUsable: () => connection.isUsable,
      wake: () => pool.wake(this),
      onFreed: () => {
        if (this.#isOpen) pool.freed(this)
      },
      onReadFailed: error => this.#onReadFailed(error),
      onOtherGroup: () => this.#onOtherGroup(),
      onError,
    })
  }

  get active(): number {
    return this.#work.active
  }

  /** Handlers in flight. */
  get inFlight(): number {
    return this.#work.inFlight
  }

  get concurrency(): number {
    return this.#work.concurrency
  }

  set concurrency(value: number) {
    this.#work.concurrency = value
    this.#pool.wake(this)
  }

  get seenId(): string {
    return this.#work.reader.seenId
  }

  get lastPollAt(): number {
    return this.#work.reader.lastPollAt
  }

  get ready(): number {
    return this.#work.ready
  }

  get free(): number {
    return this.#work.free
  }

  get canRead(): boolean {
    return this.#work.canRead
  }

  /** Creates the group at id 0 where it is missing. */
  async ensureGroup(): Promise<void> {
    await this.#group.ensure()
    this.#work.reader.seenId = '0-0'
    if ((await this.#group.countGroups()) > 1) this.#onOtherGroup()
  }

  /** Is the queue paused, for all workers? Rejects when the server does not say. */
  async lookUpPause(): Promise<void> {
    this.#isQueuePaused = (await clientOf(this.#options.connection).exists(pausedKey(this.stream))) === 1
  }

  /** Begins to read and to run. */
  open(): void {
    this.#isOpen = true
    this.#follow()
  }

  /** Neither reads nor runs anything more; what runs goes on, and is renewed. */
  shut(): void {
    this.#isOpen = false
    this.#follow()
  }

  #follow(): void {
    if (this.#isOpen && !this.#isQueuePaused) {
      this.#work.open()
      this.#pool.wake(this, true)
    } else this.#work.shut()
  }

  /** The server was away, and may be another one now: entries may be ours, or on the stream, that we never heard of. */
  onReconnect(): void {
    this.#work.reader.seenId = '0-0'
    this.#work.recovery.scanOwn()
    this.#pool.wake(this, true)
  }

  /** No handler runs and no read under way. */
  whenIdle(): Promise<void> {
    return this.#work.whenIdle()
  }

  /** Everything done so far has been acknowledged. */
  whenAcknowledged(): Promise<void> {
    return this.#work.whenAcknowledged()
  }

  /** Gives up what it has leased, so that others may claim it at once, and leaves the group. */
  leave(): Promise<void> {
    return this.#work.leave()
  }

  get isQueuePaused(): boolean {
    return this.#isQueuePaused
  }

  setQueuePaused(isPaused: boolean): void {
    if (this.#isQueuePaused === isPaused) return
    this.#isQueuePaused = isPaused
    this.#follow()
    if (isPaused) void this.announcePaused(() => this.#isQueuePaused)
    else this.#announce('resumed')
  }

  /** Says so when no handler runs and what was done is acknowledged, if it is still so then. */
  async announcePaused(isStillSo: () => boolean): Promise<void> {
    await this.whenIdle()
    await this.whenAcknowledged()
    if (isStillSo()) this.#announce('paused')
  }

  take(slots: number, mayRead: boolean): Promise<ReadResult> {
    return this.#work.take(slots, mayRead)
  }

  async catchUp(): Promise<void> {
    const seen = await this.#group.lastDeliveredId().catch(() => undefined)
    if (seen !== undefined) this.#work.reader.seenId = seen
  }

  async #onReadFailed(error: Error): Promise<void> {
    if (!isNoGroup(error)) return this.reportError(error)
    try {
      await this.ensureGroup()
      this.#options.logger?.warn({ stream: this.stream }, 'the group was gone and has been made again at 0')
    } catch (thrown) {
      this.reportError(toError(thrown))
    }
  }

  isDue(nowMs: number, isEmpty: boolean): boolean {
    if (!this.#options.connection.isUsable) return false
    return this.#work.recovery.isDue(nowMs, isEmpty) || this.#letters.isTrimDue(nowMs)
  }

  async maintain(nowMs: number, isEmpty: boolean): Promise<void> {
    try {
      void this.#letters.trimOld(nowMs)
      await this.#work.maintain(nowMs, isEmpty)
    } catch (error) {
      if (!isNoGroup(error)) throw error
      await this.ensureGroup()
      this.#pool.wake(this, true)
    }
  }

  reportError(error: Error): void {
    this.#announce('error', withoutCommand(error))
  }

  async #writeDeadLetter(entry: StreamEntry<Fields>, reason: string): Promise<void> {
    const { logger } = this.#options
    await this.#letters.write(entry, reason)
    const { id, stream, deliveries } = entry
    logger?.error({ stream, entryId: id, reason, deliveries }, `dead letter: ${reason}`)
  }

  #onLettersDropped(count: number): void {
    const { deadLetterStream, logger } = this.#options
    logger?.warn({ stream: this.stream, deadLetterStream, count }, `${count} dead letters deleted: beyond removeOnFail`)
  }

  #onOtherGroup(): void {
    const nowMs = performance.now()
    if (nowMs - this.#otherGroupSaidAtMs < OTHER_GROUP_INTERVAL_MS) return
    this.#otherGroupSaidAtMs = nowMs
    const message = `another consumer group reads ${this.stream}: entries stay on it until each group has acknowledged them`
    this.#options.logger?.error({ stream: this.stream }, message)
    this.reportError(new StreamError('STREAM_OTHER_GROUP', message))
  }
}
