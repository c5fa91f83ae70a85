import { toError } from '#runtime/errors.ts'
import { performance } from './clock.ts'
import { isPoison } from './delivery.ts'
import type { DeliveryCounter } from './delivery-counter.ts'
import { toEntry } from './entry.ts'
import type { ConsumerGroup, FoundEntry, Renewal } from './group.ts'
import type { Lease, LeasedEntries } from './leased-entries.ts'
import type { Evidence } from './recovery.ts'
import type { StoredDelays } from './stored-delays.ts'
import type { SuspectLane } from './suspect-lane.ts'

export interface LeasesOptions<Fields extends Record<string, string>> {
  stream: string
  leased: LeasedEntries<Fields>
  group: Pick<ConsumerGroup, 'renew'>
  counter: DeliveryCounter
  delays: Pick<StoredDelays, 'restOf'>
  lane: SuspectLane
  minIdleMs: number
  maxDeliveries: number
  /** Handlers may begin: the worker is neither paused nor closing. */
  mayBegin(): boolean
  /** The server is there. */
  isUsable(): boolean
  /** Makes a delayed entry ready when its time has come. */
  wait(lease: Lease<Fields>, delayMs: number): void
  /** One that waited is given up; it may be ours again later. */
  onReleased(lease: Lease<Fields>): void
  onError(error: Error): void
}

/** How entries become this consumer's and stop being so, other than by being done. */
export class Leases<Fields extends Record<string, string>> {
  readonly #o: LeasesOptions<Fields>
  #hasReleased = false

  constructor(options: LeasesOptions<Fields>) {
    this.#o = options
  }

  /** Entries that recovery found: leased at once, begun as slots become free. */
  async accept(found: readonly FoundEntry[], evidenceOf: (id: string) => Evidence): Promise<void> {
    const { leased, stream } = this.#o
    if (found.length === 0) return
    const rest = await this.#o.delays.restOf(found.map(({ id }) => id))
    // Paused or closed meanwhile: they are for others, at once.
    if (!this.#o.mayBegin()) return this.#release(found.map(({ id }) => ({ id })))
    const nowMs = performance.now()
    for (const { id, fields, deliveries } of found) {
      // The delivery that brought it here in a reply that we never got is this one.
      const evidence = evidenceOf(id)
      const isFirst = deliveries === 1 && evidence !== 'ended'
      const badEnds = isFirst ? 0 : deliveries
      const entry = toEntry<Fields>(stream, id, fields ?? [], badEnds + 1)
      const isSuspect = badEnds > 0 || evidence === 'unsure'
      const waits = isSuspect && !isPoison(badEnds + 1, Math.max(2, this.#o.maxDeliveries))
      const one = leased.add(entry, nowMs, waits ? 'suspect' : 'ready')
      if (one === undefined) continue
      one.isSuspect = isSuspect
      one.isCounted = isFirst
      const delayMs = rest.get(id)
      if (delayMs === undefined) continue
      leased.move(one, 'delayed')
      one.hasStoredDelay = true
      this.#o.wait(one, delayMs)
    }
  }

  /** The server hands out what is leased already: it has forgotten that it did, and made it ours anew. */
  repeated(id: string, nowMs: number): void {
    const lease = this.#o.leased.get(id)
    if (lease === undefined || lease.state === 'acking') return
    lease.aliveAtMs = Math.max(lease.aliveAtMs, nowMs)
    lease.isLost = false
    this.#o.counter.restore(lease)
  }

  /** One that was given up for lost, and its delivery forgiven, is ours again: `badEnds` of others stand against it now. */
  regain(lease: Lease<Fields>, badEnds: number): void {
    if (!lease.isLost) return
    lease.isLost = false
    if (lease.state !== 'active') return
    // Where our own was not forgiven after all, the server has one too many.
    lease.entry = { ...lease.entry, deliveries: Math.min(lease.entry.deliveries, badEnds + 1) }
    this.#o.counter.restore(lease)
  }

  /** Gives up entries that wait for a slot, so that others may claim it at once. */
  releaseWaiting(): void {
    const waiting = [...this.#o.leased.values()].filter(({ state }) => state === 'ready' || state === 'suspect')
    if (waiting.length === 0) return
    this.#hasReleased = true
    for (const lease of waiting) this.#o.onReleased(lease)
    this.#release(this.#forget(waiting)).catch(error => this.#o.onError(toError(error)))
  }

  /** Was anything given up that may still be ours on the server? Returns true once. */
  takeReleased(): boolean {
    const hasReleased = this.#hasReleased
    this.#hasReleased = false
    return hasReleased
  }

  /** Gives up everything, so that others may claim it at once: who gives an entry up in good order did not die of it. */
  async releaseAll(): Promise<void> {
    await this.#release(this.#forget([...this.#o.leased.values()]))
  }

  #forget(list: readonly Lease<Fields>[]): Renewal[] {
    return list.map(lease => {
      const { id, entry, isCounted } = lease
      this.#o.leased.remove(lease)
      this.#o.lane.leave(lease, performance.now(), false)
      const isToldAnew = isCounted || this.#o.counter.isUnsure(lease)
      return isToldAnew ? { id, count: entry.deliveries - 1 } : { id }
    })
  }

  async #release(renewals: readonly Renewal[]): Promise<void> {
    if (renewals.length === 0 || !this.#o.isUsable()) return
    await this.#o.group.renew(renewals, this.#o.minIdleMs)
  }
}
