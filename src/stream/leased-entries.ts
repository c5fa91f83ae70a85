import { clearTimeout } from './clock.ts'
import type { StreamEntry } from './entry.ts'
import type { ReadRun } from './read-run.ts'

/**
 * The life of an entry that this consumer has leased:
 * `ready` (read, waits for a slot) or `suspect` (had a bad end before, waits for its turn in the suspects' lane) →
 * `active` (it has a slot) → `acking` (done, the server is being told) → `gone`;
 * or `active` → `delayed` (the handler said not now, or failed) → `ready` again.
 * `gone` is final: what a late handler says of it changes nothing.
 */
export type LeaseState = 'ready' | 'suspect' | 'active' | 'delayed' | 'acking' | 'gone'

/** Where each state may lead (docs/state-machines.md «An entry»). */
const NEXT: Readonly<Record<LeaseState, readonly LeaseState[]>> = {
  ready: ['active', 'delayed', 'gone'],
  suspect: ['active', 'delayed', 'gone'],
  active: ['acking', 'delayed', 'gone'],
  delayed: ['ready', 'suspect', 'gone'],
  acking: ['gone'],
  gone: [],
}

export interface Lease<Fields extends Record<string, string>> {
  readonly id: string
  /** Its `deliveries` are those that ended badly, and the one that runs or comes next. */
  entry: StreamEntry<Fields>
  state: LeaseState
  /** When the server last saw our lease alive, by the monotonic clock, in ms. */
  aliveAtMs: number
  /** Went past min-idle, or was taken: it may belong to another consumer by now and is not renewed any more. */
  isLost: boolean
  /** The server's count includes a run that has not ended yet: if the process dies now, that stands against the entry. */
  isCounted: boolean
  /** Its process may have died of it: begun in the suspects' lane. */
  isSuspect: boolean
  /** It is to become a dead letter, for that reason; no handler sees it any more. */
  letter: { reason: string; isPoison: boolean } | undefined
  /** Its delay was written down beside the stream. */
  hasStoredDelay: boolean
  timer: NodeJS.Timeout | undefined
  /** What it was read with, and its place in that; undefined for one that was found. */
  run: ReadRun | undefined
  runAt: number
}

/**
 * Slots that nothing uses. A read under way has its own already. Delayed entries hold none: they wait for a time, not
 * for a slot. Pure.
 */
export function freeSlots(concurrency: number, leased: Pick<LeasedEntries<never>, 'count'>, reading: number): number {
  return Math.max(0, concurrency - leased.count('active') - reading)
}

/**
 * Every entry that is this consumer's, one object an id, with a count for each state: slots are arithmetic on these.
 * Whoever moves or removes one names the object, not the id: the id may have been handed out anew meanwhile.
 */
export class LeasedEntries<Fields extends Record<string, string>> {
  readonly #byId = new Map<string, Lease<Fields>>()
  readonly #ready: Lease<Fields>[] = []
  /** Fewest deliveries first: who had the fewest bad ends is the least likely killer. */
  readonly #suspects: Lease<Fields>[] = []
  readonly #counts: Record<LeaseState, number> = { ready: 0, suspect: 0, active: 0, delayed: 0, acking: 0, gone: 0 }

  get size(): number {
    return this.#byId.size
  }

  count(state: LeaseState): number {
    return this.#counts[state]
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  get(id: string): Lease<Fields> | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Lease<Fields>> {
    return this.#byId.values()
  }

  /** Takes an entry in; undefined, and nothing changes, when its id is leased already. */
  add(
    entry: StreamEntry<Fields>,
    aliveAtMs: number,
    state: 'ready' | 'suspect' | 'active' = 'ready',
  ): Lease<Fields> | undefined {
    const { id } = entry
    if (this.#byId.has(id)) return undefined
    const lease: Lease<Fields> = {
      id,
      entry,
      state,
      aliveAtMs,
      isLost: false,
      isCounted: state === 'active',
      isSuspect: state === 'suspect',
      letter: undefined,
      hasStoredDelay: false,
      timer: undefined,
      run: undefined,
      runAt: 0,
    }
    this.#byId.set(id, lease)
    this.#counts[state] += 1
    this.#line(lease)
    return lease
  }

  /** The only way a state changes. False, and nothing changes, where its state does not lead there. */
  move(lease: Lease<Fields>, state: Exclude<LeaseState, 'gone'>): boolean {
    if (!NEXT[lease.state].includes(state)) return false
    this.#counts[lease.state] -= 1
    this.#counts[state] += 1
    lease.state = state
    this.#line(lease)
    return true
  }

  #line(lease: Lease<Fields>): void {
    if (lease.state === 'ready') this.#ready.push(lease)
    else if (lease.state === 'suspect') {
      const { deliveries } = lease.entry
      const at = this.#suspects.findLastIndex(other => other.entry.deliveries <= deliveries)
      this.#suspects.splice(at + 1, 0, lease)
    }
  }

  /** The next one that waits for a slot; leaves the line. */
  nextReady(): Lease<Fields> | undefined {
    let lease = this.#ready.shift()
    // One that was dropped while it waited.
    while (lease !== undefined && lease.state !== 'ready') lease = this.#ready.shift()
    return lease
  }

  /** The suspect whose turn is next; stays in its line until it is moved and `firstSuspect` is asked again. */
  firstSuspect(): Lease<Fields> | undefined {
    while (this.#suspects.length > 0 && this.#suspects[0]?.state !== 'suspect') this.#suspects.shift()
    return this.#suspects[0]
  }

  /** Forgets one. False, and nothing changes, when it is gone already. */
  remove(lease: Lease<Fields>): boolean {
    if (this.#byId.get(lease.id) !== lease) return false
    clearTimeout(lease.timer)
    lease.timer = undefined
    this.#byId.delete(lease.id)
    this.#counts[lease.state] -= 1
    lease.state = 'gone'
    return true
  }
}
