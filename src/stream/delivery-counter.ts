import { performance } from './clock.ts'
import type { ConsumerGroup, Renewal } from './group.ts'
import type { Lease } from './leased-entries.ts'

export interface DeliveryCounterOptions {
  group: Pick<ConsumerGroup, 'renew' | 'forgive'>
  onError(error: unknown): void
}

type Leased = Lease<Record<string, string>>

interface Waiting extends Renewal {
  lease: Leased
  settle?: PromiseWithResolvers<boolean>
}

/**
 * Keeps the server's count of an entry's deliveries true: it is the number of runs that were begun and did not end
 * well, the one under way included. A first delivery is counted by XREADGROUP; every other run is counted before it
 * begins, so that the death of its process stands against it; one that ends with «not now» is taken back. What is
 * counted in the same turn of the event loop is one command. Counts are sent as numbers, not as steps: a command that
 * runs although nobody heard its answer changes nothing when it is sent again. What another process has forgiven since this
 * one looked stays forgiven: the run that begins is one more than the server has, and the lease learns of it; the one that
 * is over is one less.
 */
export class DeliveryCounter {
  readonly #options: DeliveryCounterOptions
  #waiting: Waiting[] = []
  readonly #toForgive = new Set<string>()
  /** A count of theirs was sent and not answered, and no run has begun: the server's may be one too high. */
  readonly #unsure = new Set<Leased>()

  constructor(options: DeliveryCounterOptions) {
    this.#options = options
  }

  /** Counts the run that is about to begin. Resolves with whether the entry is still ours; rejects without an answer. */
  count(lease: Leased): Promise<boolean> {
    const settle = Promise.withResolvers<boolean>()
    // Where the server's count may be one too high or too low, ours is the one to go by.
    const step = this.#unsure.has(lease) ? undefined : 'next'
    this.#push({ lease, id: lease.id, count: lease.entry.deliveries, step, settle })
    return settle.promise
  }

  /** The run that was counted is over, and not badly. Resolves when the server was told, or did not answer. */
  async takeBack(lease: Leased): Promise<void> {
    const settle = Promise.withResolvers<boolean>()
    lease.isCounted = false
    this.#push({ lease, id: lease.id, count: lease.entry.deliveries - 1, step: 'over', settle })
    const isOurs = await settle.promise.catch(() => undefined)
    // Another's by now: the run that was counted stands against the entry there until it is forgiven.
    if (isOurs === false) this.#toForgive.add(lease.id)
  }

  /** The server has handed out anew what runs here: its count has begun again at 1. */
  restore(lease: Leased): void {
    const { deliveries } = lease.entry
    lease.isCounted = lease.state === 'active'
    this.#push({ lease, id: lease.id, count: lease.isCounted ? deliveries : deliveries - 1 })
  }

  /** It may be another's by now: that one's process did not die of our run. */
  forgive(lease: Leased): void {
    if (!this.#unsure.delete(lease) && !lease.isCounted) return
    lease.isCounted = false
    this.#toForgive.add(lease.id)
  }

  /** The server's count may have one that no run stands for: it is to be told when the entry is given up. */
  isUnsure(lease: Leased): boolean {
    return this.#unsure.has(lease)
  }

  get owesForgiveness(): boolean {
    return this.#toForgive.size > 0
  }

  /** Tells the server what is forgiven. Rejects without an answer. */
  async settleForgiveness(): Promise<void> {
    const ids = [...this.#toForgive]
    if (ids.length === 0) return
    // A step, not a number: sent once, since a second one would forgive what it should not.
    this.#toForgive.clear()
    await this.#options.group.forgive(ids)
  }

  #push(waiting: Waiting): void {
    this.#waiting.push(waiting)
    if (this.#waiting.length === 1) setImmediate(() => void this.#send())
  }

  async #send(): Promise<void> {
    // What is counted now may end the process: what is unsure must not be held against anyone then.
    const waiting = [...this.#waiting, ...this.#amendments()]
    this.#waiting = []
    const sentAtMs = performance.now()
    try {
      const owned = await this.#options.group.renew(waiting)
      for (const { lease, id, settle, step } of waiting) {
        const deliveries = owned.get(id)
        if (deliveries !== undefined) lease.aliveAtMs = Math.max(lease.aliveAtMs, sentAtMs)
        if (step === 'next' && deliveries !== undefined) lease.entry = { ...lease.entry, deliveries }
        settle?.resolve(deliveries !== undefined)
      }
    } catch (error) {
      this.#options.onError(error)
      for (const { lease, settle } of waiting) {
        if (!lease.isCounted) this.#doubt(lease)
        settle?.reject(error)
      }
    }
  }

  #doubt(lease: Leased): void {
    if (lease.isLost) this.#toForgive.add(lease.id)
    else this.#unsure.add(lease)
  }

  /** The counts of those that are unsure, as they should be. */
  #amendments(): Waiting[] {
    const counting = new Set(this.#waiting.map(({ lease }) => lease))
    const unsure = [...this.#unsure].filter(lease => !counting.has(lease) && !lease.isCounted && lease.state !== 'gone')
    this.#unsure.clear()
    return unsure.map(lease => ({ lease, id: lease.id, count: lease.entry.deliveries - 1 }))
  }
}
