import { toError } from '#runtime/errors.ts'
import { within } from '#runtime/within.ts'
import { Acker } from './acker.ts'
import { performance } from './clock.ts'
import type { ConsumerWorkOptions } from './consumer-work-options.ts'
import { DeliveryCounter } from './delivery-counter.ts'
import { EntryRunner } from './entry-runner.ts'
import { isNoGroup } from './errors.ts'
import { freeSlots, type Lease, LeasedEntries } from './leased-entries.ts'
import { Leases } from './leases.ts'
import type { ReadResult } from './pool-member.ts'
import { Recovery } from './recovery.ts'
import { MIN_STORED_DELAY_MS } from './stored-delays.ts'
import { StreamReader } from './stream-reader.ts'

/** What is done but not yet acknowledged may run this far ahead of the server before nothing more is read. */
const MAX_UNACKED = 5000
/** Delayed entries hold no slot: so many of them, and twice the concurrency, may wait before nothing more is read. */
const DELAYED_ROOM = 1000
/** So many suspects, and ten times the concurrency, may wait for their lane: what several dead workers have left. */
const SUSPECT_ROOM = 100
/** Two reads of so many beside each other are faster than one of twice as many: the server makes one while this process takes the other in. */
const READ_PORTION = 250
/** How long a consumer that leaves waits for the answer to a claim, in ms. */
const LEAVE_PATIENCE_MS = 1000

/** The slots of one consumer, what is in them and the entries that wait for them. Knows the server by its group's commands only. */
export class ConsumerWork<Fields extends Record<string, string>> {
  readonly #o: ConsumerWorkOptions<Fields>
  readonly #leased = new LeasedEntries<Fields>()
  readonly #acker: Acker<Pick<Lease<Fields>, 'id'> & Partial<Lease<Fields>>>
  readonly #leases: Leases<Fields>
  readonly recovery: Recovery<Fields>
  readonly reader: StreamReader<Fields>
  readonly #runner: EntryRunner<Fields>
  readonly #wakeForSuspect = () => {
    if (this.#leased.count('suspect') > 0) this.#o.wake()
  }
  #mayBegin = false
  #idle: PromiseWithResolvers<void> | undefined
  concurrency: number

  constructor(options: ConsumerWorkOptions<Fields>) {
    const { stream, group, onError } = options
    this.#o = options
    this.concurrency = options.options.concurrency
    this.#acker = new Acker({
      group,
      onAcked: items => this.#onAcked(items as readonly Lease<Fields>[]),
      onOtherGroup: options.onOtherGroup,
      onError,
    })
    const counter = new DeliveryCounter({ group, onError })
    this.#leases = this.#makeLeases(counter)
    this.recovery = this.#makeRecovery(counter)
    this.#runner = this.#makeRunner(counter)
    this.reader = new StreamReader({
      stream,
      group,
      leased: this.#leased,
      begin: lease => this.#runner.begin(lease),
      repeated: (id, askedAtMs) => this.#leases.repeated(id, askedAtMs),
      settleDeleted: id => this.#acker.add({ id }),
      onFailed: error => {
        // Entries may have been handed to us in a reply that never came.
        this.recovery.readLost()
        return options.onReadFailed(error)
      },
      onDrained: () => options.announce('drained'),
    })
    options.lane.onRoom(this.#wakeForSuspect)
  }

  #makeLeases(counter: DeliveryCounter): Leases<Fields> {
    const { stream, group, delays, lane, options, isUsable, onError } = this.#o
    return new Leases({
      stream,
      leased: this.#leased,
      group,
      counter,
      delays,
      lane,
      minIdleMs: options.claimMinIdleMs,
      maxDeliveries: options.maxDeliveries,
      mayBegin: () => this.#mayBegin,
      isUsable,
      wait: (lease, delayMs) => this.#runner.wait(lease, delayMs),
      onReleased: lease => this.recovery.remember(lease),
      onError,
    })
  }

  #makeRecovery(counter: DeliveryCounter): Recovery<Fields> {
    const { group, options, announce, wake } = this.#o
    return new Recovery({
      group,
      leased: this.#leased,
      counter,
      minIdleMs: options.claimMinIdleMs,
      mayInherit: options.isNamed,
      accept: async (entries, evidenceOf) => {
        await this.#leases.accept(entries, evidenceOf)
        wake()
      },
      settleDeleted: id => this.#acker.add({ id }),
      regain: (lease, badEnds) => this.#leases.regain(lease, badEnds),
      onStalled: id => announce('stalled', id),
    })
  }

  #makeRunner(counter: DeliveryCounter): EntryRunner<Fields> {
    const { handler, lane, options, signal, limiter, announce, wake, onFreed } = this.#o
    return new EntryRunner({
      handler,
      leased: this.#leased,
      counter,
      lane,
      options,
      signal,
      limiter,
      announce,
      acknowledge: lease => this.#acker.add(lease),
      letGo: lease => this.#letGo(lease),
      writeLetter: lease => this.#writeLetter(lease),
      storeDelay: (lease, delayMs) => this.#storeDelay(lease, delayMs),
      onFreed: () => {
        this.#settleIdle()
        onFreed()
      },
      onReady: () => (this.#mayBegin ? wake() : this.#leases.releaseWaiting()),
    })
  }

  /** Slots in use, those of a read under way included. */
  get active(): number {
    return this.inFlight + this.reader.reading
  }

  /** Handlers in flight. */
  get inFlight(): number {
    return this.#leased.count('active')
  }

  /** Entries at hand that may have a slot now. */
  get ready(): number {
    return this.#mayBegin ? this.#leased.count('ready') + (this.#nextSuspect() === undefined ? 0 : 1) : 0
  }

  get free(): number {
    return this.#mayBegin ? this.#free : 0
  }

  get #free(): number {
    return freeSlots(this.concurrency, this.#leased, this.reader.reading)
  }

  get canRead(): boolean {
    return this.#mayBegin && this.#mayRead && this.#free > this.ready
  }

  /** What was lost or left comes first, and the server must be there. */
  get #mayRead(): boolean {
    return (
      this.#o.isUsable() &&
      !this.recovery.mustScanOwn &&
      !this.recovery.hasUnclaimed &&
      this.#leased.count('acking') < MAX_UNACKED &&
      this.#hasDelayedRoom &&
      !this.#o.limiter?.isUsedUp(performance.now())
    )
  }

  get #hasDelayedRoom(): boolean {
    return this.#leased.count('delayed') < DELAYED_ROOM + 2 * this.concurrency
  }

  /** The suspect that may begin now. */
  #nextSuspect(): Lease<Fields> | undefined {
    if (this.#leased.count('suspect') === 0) return undefined
    const first = this.#leased.firstSuspect()
    if (first === undefined) return undefined
    return this.#o.lane.hasRoom(first, this.#o.options.maxDeliveries, performance.now()) ? first : undefined
  }

  /** Handlers may begin. */
  open(): void {
    this.#mayBegin = true
    if (!this.#leases.takeReleased()) return
    this.recovery.scanOwn()
    this.recovery.claimSoon()
  }

  /** None begins any more; an entry that waits for a slot is given up, what runs goes on, and is renewed. */
  shut(): void {
    this.#mayBegin = false
    this.#leases.releaseWaiting()
  }

  /** Uses up to `slots`: first for what is at hand, then by one read, if it may. */
  async take(slots: number, mayRead: boolean): Promise<ReadResult> {
    let left = slots
    for (; left > 0; left--) {
      const lease = this.#nextSuspect() ?? this.#leased.nextReady()
      if (lease === undefined) break
      this.#runner.begin(lease)
    }
    if (this.#nextSuspect() !== undefined) this.#o.wake()
    if (!mayRead || left === 0) return 'none'
    const result = await this.reader.read(Math.min(left, this.#o.options.readCount, READ_PORTION))
    this.#settleIdle()
    return result
  }

  maintain(nowMs: number, isEmpty: boolean): Promise<void> {
    const laneRoom = SUSPECT_ROOM + 10 * this.concurrency - this.#leased.count('suspect')
    const mayClaim = this.#mayBegin && this.#hasDelayedRoom
    return this.recovery.maintain(nowMs, { mayClaim, freeSlots: this.#free - this.ready, laneRoom, isEmpty })
  }

  /** No handler runs and no read under way. */
  whenIdle(): Promise<void> {
    if (this.active === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  /** Everything done so far has been acknowledged. */
  whenAcknowledged(): Promise<void> {
    return this.#acker.drained()
  }

  /** Gives up what it has leased, so that others may claim it at once, and leaves the group. */
  async leave(): Promise<void> {
    const { group, isUsable, lane, onError } = this.#o
    lane.offRoom(this.#wakeForSuspect)
    // What a claim under way brings is given up too.
    await within(this.recovery.settled(), LEAVE_PATIENCE_MS, () => undefined)
    this.#acker.close()
    this.#runner.close()
    try {
      await this.#leases.releaseAll()
      if (isUsable()) await group.leave()
    } catch (error) {
      if (!isNoGroup(error)) onError(toError(error))
    }
  }

  #settleIdle(): void {
    if (this.#idle === undefined || this.active > 0) return
    this.#idle.resolve()
    this.#idle = undefined
  }

  /** If nobody took it, it is still ours on the server: the look for own entries, or a claim, brings it back. */
  #letGo(lease: Lease<Fields>): void {
    this.recovery.remember(lease)
    this.#leased.remove(lease)
    this.recovery.scanOwn()
  }

  #onAcked(items: readonly Lease<Fields>[]): void {
    this.#o.options.onAcknowledged?.(items.map(({ id }) => id))
    const nowMs = performance.now()
    for (const lease of items) {
      this.#leased.remove(lease)
      this.#o.lane.leave(lease, nowMs)
      if (lease.hasStoredDelay) this.#o.delays.forget(lease.id)
    }
    if (this.#mayBegin) this.#o.wake()
  }

  #storeDelay(lease: Lease<Fields>, delayMs: number): void {
    if (delayMs < MIN_STORED_DELAY_MS) return
    lease.hasStoredDelay = true
    this.#o.delays.store(lease.id, delayMs)
  }

  /** Written, then acknowledged, while the entry is ours by the server's word; its new owner decides otherwise. */
  async #writeLetter({ id, entry, letter, isLost, hasStoredDelay }: Lease<Fields>): Promise<boolean> {
    if (letter === undefined || isLost || !(await this.#isOurs(id))) return false
    if (letter.isPoison) {
      await this.#o.options.onPoison?.(entry)
      if (!(await this.#isOurs(id))) return false
    }
    await this.#o.writeDeadLetter(entry, letter.reason)
    if (hasStoredDelay) this.#o.delays.forget(id)
    return await this.#o.group.ackOwned(id)
  }

  async #isOurs(id: string): Promise<boolean> {
    return (await this.#o.group.renew([{ id }])).has(id)
  }
}
