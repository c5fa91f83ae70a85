import { performance } from './clock.ts'
import type { DeliveryCounter } from './delivery-counter.ts'
import type { ConsumerGroup, FoundEntry, Renewal } from './group.ts'
import type { Lease, LeasedEntries } from './leased-entries.ts'

/**
 * What is known of the deliveries of an entry that was found: each may be a run that ended badly (`ended`); the only one is
 * what brought it here, nobody has begun it (`none`); or one of the two (`unsure`), which is proof of nothing.
 */
export type Evidence = 'none' | 'unsure' | 'ended'

export interface RecoveryOptions<Fields extends Record<string, string>> {
  group: Pick<ConsumerGroup, 'renew' | 'ownPending' | 'bodies' | 'claim' | 'hasStale' | 'removeDeadConsumers'>
  leased: LeasedEntries<Fields>
  counter: DeliveryCounter
  minIdleMs: number
  /** The consumer's name was given: it may hold entries of the process before. */
  mayInherit: boolean
  /** Takes entries in. */
  accept(entries: readonly FoundEntry[], evidenceOf: (id: string) => Evidence): Promise<void> | void
  /** An entry that was deleted while it was pending has nothing to be done: only its acknowledgement is left. */
  settleDeleted(id: string): void
  /** The server says that this one is ours again, and how many deliveries of others ended badly. */
  regain(lease: Lease<Fields>, badEnds: number): void
  onStalled(id: string): void
}

/** What a round of maintenance has to know. */
export interface Circumstances {
  /** The worker runs handlers: it is neither paused nor closing. */
  mayClaim: boolean
  /** Nothing is taken from others without one. */
  freeSlots: number
  /** How many more may wait for the suspects' lane. */
  laneRoom: number
  /** There is hardly anything to take: at most the pending marks of entries that were deleted. */
  isEmpty: boolean
}

const PAGE = 100
/** A dead consumer's entries are taken at most this long after min-idle. */
const MAX_CLAIM_INTERVAL_MS = 1000
/** How much longer the pause between two looks at an empty stream's pending list is. */
const EMPTY_CLAIM_INTERVAL_MS = 30_000
/** A consumer that holds nothing and was silent this many min-idles is removed. */
const SILENT_MIN_IDLES = 10
const CONSUMER_SWEEP_INTERVAL_MS = 60_000

/**
 * What falls between two steps is found again: entries that were ours in a reply we never got, entries of consumers
 * that died, and our own long ones, which are renewed so that nobody takes them for stale.
 */
export class Recovery<Fields extends Record<string, string>> {
  readonly #options: RecoveryOptions<Fields>
  readonly #claimIntervalMs: number
  #mustScanOwn: boolean
  /** The reply to a claim may have been lost: what is found among our own may have killed its process. */
  #wasClaimLost: boolean
  /** So may the reply to a read: nobody has begun what that brought. */
  #wasReadLost = false
  /** Let go of, to be looked for, with nothing but bad ends in the server's count. */
  #hadBadEnds = new Set<string>()
  #hasUnclaimed = false
  #round: Promise<void> | undefined
  #claimCursor = '0-0'
  #claimDueAtMs = 0
  #sweepDueAtMs: number

  constructor(options: RecoveryOptions<Fields>) {
    this.#options = options
    this.#mustScanOwn = options.mayInherit
    this.#wasClaimLost = options.mayInherit
    this.#claimIntervalMs = Math.min(MAX_CLAIM_INTERVAL_MS, Math.max(100, options.minIdleMs / 4))
    this.#sweepDueAtMs = performance.now() + CONSUMER_SWEEP_INTERVAL_MS * Math.random()
  }

  /** Own pending entries may be out there that we do not hold; they come before new ones. */
  get mustScanOwn(): boolean {
    return this.#mustScanOwn
  }

  /** Stale entries wait, and no slot was free for them: they come before new ones. */
  get hasUnclaimed(): boolean {
    return this.#hasUnclaimed
  }

  /** Entries may be ours that we do not hold: the server is asked for them. */
  scanOwn(): void {
    this.#mustScanOwn = true
  }

  /** The reply to a read did not come: what it may have brought is looked for. */
  readLost(): void {
    this.#wasReadLost = true
    this.#mustScanOwn = true
  }

  /** This one is let go of and may be found among our own again: a bad end that it had is not its first delivery then. */
  remember({ id, entry, isCounted }: Lease<Fields>): void {
    if (!isCounted && entry.deliveries > 1) this.#hadBadEnds.add(id)
  }

  /** Looks for stale entries in the next round. */
  claimSoon(): void {
    this.#claimDueAtMs = 0
  }

  /** Resolves when no round is under way. */
  async settled(): Promise<void> {
    await this.#round
  }

  /** Is there anything to do? Asked several times a second, of every stream. */
  isDue(nowMs: number, isEmpty: boolean): boolean {
    const { leased, counter } = this.#options
    return (
      leased.size > 0 ||
      this.#mustScanOwn ||
      counter.owesForgiveness ||
      nowMs >= this.#claimDue(isEmpty) ||
      nowMs >= this.#sweepDueAtMs
    )
  }

  #claimDue(isEmpty: boolean): number {
    return this.#claimDueAtMs + (isEmpty ? EMPTY_CLAIM_INTERVAL_MS : 0)
  }

  /** One round. Rejects with the server's error, to be tried again. */
  async maintain(nowMs: number, circumstances: Circumstances): Promise<void> {
    if (this.#round !== undefined) return
    const round = this.#maintain(nowMs, circumstances)
    this.#round = round.catch(() => undefined)
    try {
      await round
    } finally {
      this.#round = undefined
    }
  }

  async #maintain(nowMs: number, circumstances: Circumstances): Promise<void> {
    const { mayClaim, isEmpty } = circumstances
    await this.#keepAlive(nowMs)
    await this.#options.counter.settleForgiveness()
    if (this.#mustScanOwn && mayClaim) await this.#takeOwn()
    if (mayClaim && nowMs >= this.#claimDue(isEmpty)) await this.#claim(nowMs, circumstances)
    else this.#hasUnclaimed = false
    if (nowMs >= this.#sweepDueAtMs) await this.#sweepConsumers(nowMs)
  }

  /**
   * One that went past min-idle while leased (we were frozen, or the server was away) may be another's by now: it is
   * not renewed any more. The server checks the owner as well.
   */
  async #keepAlive(nowMs: number): Promise<void> {
    const { leased, group, minIdleMs } = this.#options
    const due: Lease<Fields>[] = []
    for (const entry of leased.values()) {
      const idleMs = nowMs - entry.aliveAtMs
      if (entry.isLost || entry.state === 'acking' || idleMs < minIdleMs / 3) continue
      if (idleMs < minIdleMs) due.push(entry)
      else this.#lose(entry)
    }
    if (due.length === 0) return
    const owned = await group.renew(due.map(({ id }): Renewal => ({ id })))
    for (const entry of due) {
      if (entry.state === 'gone' || entry.state === 'acking') continue
      if (owned.has(entry.id)) entry.aliveAtMs = Math.max(entry.aliveAtMs, nowMs)
      else this.#lose(entry)
    }
  }

  /** A handler in flight goes on: what it does is safe to do twice. An entry not yet begun is left to its new owner. */
  #lose(entry: Lease<Fields>): void {
    const { leased, counter, onStalled } = this.#options
    entry.isLost = true
    counter.forgive(entry)
    onStalled(entry.id)
    if (entry.state === 'active') return
    this.remember(entry)
    leased.remove(entry)
    // If nobody took it, it is still ours and idle: the look for own entries or a claim brings it back.
    this.#mustScanOwn = true
  }

  async #takeOwn(): Promise<void> {
    const { group, leased } = this.#options
    const [wasClaimLost, wasReadLost, hadBadEnds] = [this.#wasClaimLost, this.#wasReadLost, this.#hadBadEnds]
    const evidenceOf = (id: string): Evidence => {
      if (hadBadEnds.has(id)) return 'ended'
      if (!wasClaimLost) return 'none'
      return wasReadLost ? 'unsure' : 'ended'
    }
    // What is let go of or lost from now on is for the next look.
    this.#hadBadEnds = new Set()
    this.#wasReadLost = false
    this.#mustScanOwn = false
    try {
      for (let after = ''; ; ) {
        const page = await group.ownPending(after, PAGE)
        const missing = page.filter(({ id }) => !leased.has(id))
        if (missing.length > 0) {
          const bodies = await group.bodies(missing.map(({ id }) => id))
          const entries = missing.map((entry, at) => ({ ...entry, fields: bodies[at]?.[1] ?? null }))
          await this.#take(entries, evidenceOf)
        }
        if (page.length < PAGE) break
        after = page.at(-1)?.id ?? ''
      }
      this.#wasClaimLost = false
    } catch (error) {
      this.#mustScanOwn = true
      this.#wasReadLost ||= wasReadLost
      for (const id of hadBadEnds) this.#hadBadEnds.add(id)
      throw error
    }
  }

  async #take(entries: readonly FoundEntry[], evidenceOf: (id: string) => Evidence): Promise<void> {
    for (const { id, fields } of entries) if (fields === null) this.#options.settleDeleted(id)
    const alive = entries.filter(({ fields }) => fields !== null)
    await this.#options.accept(alive, evidenceOf)
    // Not accepted: paused meanwhile.
    for (const { id } of alive)
      if (evidenceOf(id) === 'ended' && !this.#options.leased.has(id)) this.#hadBadEnds.add(id)
  }

  /**
   * Takes stale entries, following the cursor to the end as far as the suspects' lane has room; the rest waits for the next
   * round. They wait in the lane, not in slots: bounded by free slots, what several dead workers left is taken too late.
   */
  async #claim(nowMs: number, { freeSlots, laneRoom }: Circumstances): Promise<void> {
    const { group, minIdleMs } = this.#options
    this.#hasUnclaimed = freeSlots <= 0 && (await group.hasStale(minIdleMs))
    let left = laneRoom
    if (freeSlots <= 0 || left <= 0) return
    for (let page = 0; left > 0 && page < PAGE; page++) {
      left -= await this.#claimPage(Math.min(left, PAGE))
      if (this.#claimCursor === '0-0') break
    }
    // What a round has no time for comes before new entries; what the lane has no room for must not stop those.
    const isThrough = this.#claimCursor === '0-0'
    this.#hasUnclaimed = !isThrough && left > 0
    if (isThrough) this.#claimDueAtMs = nowMs + this.#claimIntervalMs * (0.75 + Math.random() / 4)
  }

  /** @returns how many entries it took that were not leased already. */
  async #claimPage(count: number): Promise<number> {
    const { group, minIdleMs, leased, regain, onStalled } = this.#options
    const askedAtMs = performance.now()
    let claimed: Awaited<ReturnType<typeof group.claim>>
    try {
      claimed = await group.claim(minIdleMs, this.#claimCursor, count)
    } catch (error) {
      // It may have been done: what it took is ours then, and leased by nobody.
      this.#mustScanOwn = true
      this.#wasClaimLost = true
      throw error
    }
    this.#claimCursor = claimed.cursor
    const news: FoundEntry[] = []
    for (const entry of claimed.entries) {
      const known = leased.get(entry.id)
      if (known === undefined) news.push(entry)
      else if (known.state !== 'acking') {
        known.aliveAtMs = Math.max(known.aliveAtMs, askedAtMs)
        regain(known, entry.deliveries)
      }
    }
    const alive = news.filter(({ fields }) => fields !== null)
    for (const { id } of alive) onStalled(id)
    await this.#take(news, () => 'ended')
    return alive.length
  }

  async #sweepConsumers(nowMs: number): Promise<void> {
    this.#sweepDueAtMs = nowMs + CONSUMER_SWEEP_INTERVAL_MS
    await this.#options.group.removeDeadConsumers(this.#options.minIdleMs * SILENT_MIN_IDLES)
  }
}
