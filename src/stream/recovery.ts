import type { RawEntry } from './entry.ts'
import type { ConsumerGroup } from './group.ts'
import type { HeldEntries } from './held.ts'

export interface RecoveryOptions<Fields extends Record<string, string>> {
  group: ConsumerGroup
  held: HeldEntries<Fields>
  minIdleMs: number
  /** The consumer's name was given: it may hold entries of the process before. */
  mayInherit: boolean
  /** Takes entries in; deliveries by id. */
  accept(entries: readonly RawEntry[], deliveries: ReadonlyMap<string, number>): void
  /** An entry that was deleted while it was pending has nothing to be done: only its acknowledgement is left. */
  settleDeleted(id: string): void
  onStalled(id: string): void
}

/** What a round of maintenance has to know. */
export interface Circumstances {
  /** The worker runs handlers: it is neither paused nor closing. */
  mayClaim: boolean
  /** Bounds what it takes from others. */
  freeSlots: number
  /** There is hardly anything to take: at most the pending marks of entries that were deleted. */
  isEmpty: boolean
}

const PAGE = 100
/** A dead consumer's entries are taken at most this long after min-idle. */
const MAX_CLAIM_INTERVAL_MS = 2000
/** How much longer the pause between two looks at an empty stream's pending list is. */
const EMPTY_CLAIM_INTERVAL_MS = 30_000
/** A consumer that holds nothing and was silent this many min-idles is removed. */
const SILENT_MIN_IDLES = 10
const CONSUMER_SWEEP_INTERVAL_MS = 60_000

/**
 * What falls between two steps is found again: entries that were ours in a reply we never got, entries of consumers
 * that died, and our own long ones, which are kept alive so that nobody takes them for abandoned.
 */
export class Recovery<Fields extends Record<string, string>> {
  readonly #options: RecoveryOptions<Fields>
  readonly #claimIntervalMs: number
  #isLosing: boolean
  #isOwing = false
  #isBusy = false
  #claimCursor = '0-0'
  #claimDueAtMs = 0
  #sweepDueAtMs: number

  constructor(options: RecoveryOptions<Fields>) {
    this.#options = options
    this.#isLosing = options.mayInherit
    this.#claimIntervalMs = Math.min(MAX_CLAIM_INTERVAL_MS, Math.max(100, options.minIdleMs / 4))
    this.#sweepDueAtMs = performance.now() + CONSUMER_SWEEP_INTERVAL_MS * Math.random()
  }

  /** Own pending entries may be out there that we do not hold; they come before new ones. */
  get isLosing(): boolean {
    return this.#isLosing
  }

  /** Abandoned entries wait, and no slot was free for them: they come before new ones. */
  get isOwing(): boolean {
    return this.#isOwing
  }

  loseTrack(): void {
    this.#isLosing = true
  }

  /** Is there anything to do? Asked several times a second, of every stream. */
  isDue(nowMs: number, isEmpty: boolean): boolean {
    return (
      this.#options.held.size > 0 || this.#isLosing || nowMs >= this.#claimDue(isEmpty) || nowMs >= this.#sweepDueAtMs
    )
  }

  #claimDue(isEmpty: boolean): number {
    return this.#claimDueAtMs + (isEmpty ? EMPTY_CLAIM_INTERVAL_MS : 0)
  }

  /** One round. Rejects with the server's error, to be tried again. */
  async maintain(nowMs: number, { mayClaim, freeSlots, isEmpty }: Circumstances): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    try {
      await this.#keepAlive(nowMs)
      if (this.#isLosing) await this.#drainOwn()
      if (mayClaim && nowMs >= this.#claimDue(isEmpty)) await this.#claim(nowMs, freeSlots)
      else this.#isOwing = false
      if (nowMs >= this.#sweepDueAtMs) await this.#sweepConsumers(nowMs)
    } finally {
      this.#isBusy = false
    }
  }

  /**
   * One that went past min-idle in our hands (we were frozen, or the server was away) may be another's by now: it is
   * never kept alive again. The server checks the owner as well.
   */
  async #keepAlive(nowMs: number): Promise<void> {
    const { held, group, minIdleMs } = this.#options
    const due: string[] = []
    for (const entry of held.values()) {
      const idleMs = nowMs - entry.aliveAtMs
      if (entry.isLost || entry.state === 'acking' || idleMs < minIdleMs / 3) continue
      if (idleMs < minIdleMs) due.push(entry.entry.id)
      else this.#lose(entry.entry.id)
    }
    if (due.length === 0) return
    const owned = await group.touch('beat', due)
    for (const id of due) {
      const entry = held.get(id)
      if (entry === undefined) continue
      if (owned.has(id)) entry.aliveAtMs = nowMs
      else if (entry.state !== 'acking') this.#lose(id)
    }
  }

  /** A handler at work goes on: what it does is safe to do twice. What only waits here is left to its new owner. */
  #lose(id: string): void {
    const { held, onStalled } = this.#options
    const entry = held.get(id)
    if (entry === undefined) return
    entry.isLost = true
    onStalled(id)
    if (entry.state === 'ready' || entry.state === 'delayed') {
      held.remove(id)
      // If nobody took it, it is still ours and idle: the drain or a claim brings it back.
      this.#isLosing = true
    }
  }

  async #drainOwn(): Promise<void> {
    const { group, held, accept } = this.#options
    this.#isLosing = false
    try {
      for (let after = ''; ; ) {
        const page = await group.ownPending(after, PAGE)
        const missing = page.filter(({ id }) => !held.has(id))
        if (missing.length > 0) {
          const entries = await group.bodies(missing.map(({ id }) => id))
          this.#settleDeleted(entries)
          accept(entries, new Map(missing.map(({ id, deliveries }) => [id, deliveries])))
        }
        if (page.length < PAGE) return
        after = page.at(-1)?.id ?? ''
      }
    } catch (error) {
      this.#isLosing = true
      throw error
    }
  }

  /** Takes abandoned entries, following the cursor to the end as far as slots go; the rest waits for the next round. */
  async #claim(nowMs: number, freeSlots: number): Promise<void> {
    const { group, minIdleMs } = this.#options
    this.#isOwing = freeSlots <= 0 && (await group.hasStale(minIdleMs))
    if (this.#isOwing) return
    let left = freeSlots
    for (let page = 0; left > 0 && page < PAGE; page++) {
      left -= await this.#claimPage(nowMs, Math.min(left, PAGE))
      if (this.#claimCursor === '0-0') break
    }
    // What did not fit into the free slots goes first into the next ones.
    this.#isOwing = this.#claimCursor !== '0-0'
    if (!this.#isOwing) this.#claimDueAtMs = nowMs + this.#claimIntervalMs * (0.75 + Math.random() / 4)
  }

  /** @returns how many entries it took that were not held already. */
  async #claimPage(nowMs: number, count: number): Promise<number> {
    const { group, minIdleMs, held, accept, onStalled } = this.#options
    const { cursor, entries, hasGaps } = await group.claim(minIdleMs, this.#claimCursor, count)
    this.#claimCursor = cursor
    if (hasGaps) this.#isLosing = true
    this.#settleDeleted(entries)
    for (const [id] of entries) this.#regain(id, nowMs)
    const ids = entries.filter(([id, fields]) => fields !== null && !held.has(id)).map(([id]) => id)
    if (ids.length === 0) return 0
    const deliveries = await group.deliveries(ids[0] as string, ids.at(-1) as string, 10 * PAGE)
    for (const id of ids) onStalled(id)
    const found = new Set(ids)
    accept(
      entries.filter(([id]) => found.has(id)),
      deliveries,
    )
    return ids.length
  }

  /** One that we had given up and nobody else took: the claim has made it ours again, by the server's word. */
  #regain(id: string, nowMs: number): void {
    const entry = this.#options.held.get(id)
    if (entry === undefined || entry.state === 'acking') return
    entry.isLost = false
    entry.aliveAtMs = nowMs
  }

  #settleDeleted(entries: readonly RawEntry[]): void {
    for (const [id, fields] of entries) if (fields === null) this.#options.settleDeleted(id)
  }

  async #sweepConsumers(nowMs: number): Promise<void> {
    this.#sweepDueAtMs = nowMs + CONSUMER_SWEEP_INTERVAL_MS
    await this.#options.group.removeDeadConsumers(this.#options.minIdleMs * SILENT_MIN_IDLES)
  }
}
