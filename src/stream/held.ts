import type { StreamEntry } from './entry.ts'

/**
 * The life of an entry in a worker's hands:
 * `ready` (read, waits for a slot) → `active` (a handler has it) → `acking` (done, the server is being told) → gone;
 * or `active` → `delayed` (the handler said not now, or failed) → `ready` again.
 */
export type HeldState = 'ready' | 'active' | 'delayed' | 'acking'

export interface Held<Fields extends Record<string, string>> {
  /** Its `deliveries` are those that the server has counted. */
  entry: StreamEntry<Fields>
  state: HeldState
  /** When the server last saw it alive in our hands, by the monotonic clock, in ms. */
  aliveAtMs: number
  /** Went past min-idle: it may belong to another consumer by now and is never kept alive again. */
  isLost: boolean
  timer: NodeJS.Timeout | undefined
}

/**
 * Slots that nothing uses. Delayed entries keep theirs, and a read under way has its own already: a worker never holds
 * more than it could do at once. Pure.
 */
export function freeSlots(concurrency: number, held: Pick<HeldEntries<never>, 'count'>, reading: number): number {
  return Math.max(0, concurrency - held.count('active') - held.count('delayed') - reading)
}

/** Every entry that is this consumer's, by id, with a count for each state: slots are arithmetic on these. */
export class HeldEntries<Fields extends Record<string, string>> {
  readonly #byId = new Map<string, Held<Fields>>()
  readonly #ready: Held<Fields>[] = []
  readonly #counts: Record<HeldState, number> = { ready: 0, active: 0, delayed: 0, acking: 0 }

  get size(): number {
    return this.#byId.size
  }

  count(state: HeldState): number {
    return this.#counts[state]
  }

  /** Entries that are still to be done. */
  get open(): number {
    return this.#counts.ready + this.#counts.active + this.#counts.delayed
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  get(id: string): Held<Fields> | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Held<Fields>> {
    return this.#byId.values()
  }

  /** Takes an entry in: one that waits for a slot, or one that was read for a free slot. */
  add(entry: StreamEntry<Fields>, aliveAtMs: number, state: 'ready' | 'active' = 'ready'): Held<Fields> {
    const held: Held<Fields> = { entry, state, aliveAtMs, isLost: false, timer: undefined }
    this.#byId.set(entry.id, held)
    this.#counts[state] += 1
    if (state === 'ready') this.#ready.push(held)
    return held
  }

  /** The only way a state changes. */
  move(held: Held<Fields>, state: HeldState): void {
    this.#counts[held.state] -= 1
    this.#counts[state] += 1
    held.state = state
    if (state === 'ready') this.#ready.push(held)
  }

  /** The next one that waits for a slot. */
  nextReady(): Held<Fields> | undefined {
    let held = this.#ready.shift()
    // One that was dropped while it waited.
    while (held !== undefined && (held.state !== 'ready' || this.#byId.get(held.entry.id) !== held))
      held = this.#ready.shift()
    return held
  }

  remove(id: string): void {
    const held = this.#byId.get(id)
    if (held === undefined) return
    clearTimeout(held.timer)
    this.#byId.delete(id)
    this.#counts[held.state] -= 1
  }
}
