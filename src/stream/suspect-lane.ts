/** What the lane has to know of an entry whose process may have died of it. */
export interface Suspect {
  readonly entry: { readonly deliveries: number }
}

/** Most suspects at once: if the process dies, so many at most have one more delivery counted. */
const MAX_WIDTH = 16
/** One that has run so long without harm makes room for the next, in ms. */
const PATIENCE_MS = 1000
/** The same for one whose next bad end makes it poison: it must have been alone. */
const LAST_PATIENCE_MS = 30_000
/** The lane is looked at several times a second while one waits: what lies beyond this was a standstill of the process. */
const MAX_STEP_MS = 500

/**
 * How many may share the lane with a suspect that is at its `deliveries`: the nearer to poison, the fewer; alone for
 * the last time, so that what is proven is proven of this one. Pure.
 */
export function companyOf(deliveries: number, maxDeliveries: number): number {
  if (deliveries >= maxDeliveries) return 1
  return Math.max(2, Math.floor(MAX_WIDTH / 4 ** Math.max(0, deliveries - 2)))
}

/**
 * The lane in which a process begins entries that had a bad end before: one first, more as they end well, so that a
 * crash stands against few, and poison is never found by association. One for the whole process, because it is the
 * process that dies. A suspect that hangs is passed after a while.
 */
export class SuspectLane {
  readonly #running = new Map<Suspect, { company: number; ranMs: number }>()
  readonly #waiters = new Set<() => void>()
  #width = 1
  #emptySinceMs = 0
  #lookedAtMs = 0

  /** May this one begin now? */
  hasRoom(suspect: Suspect, maxDeliveries: number, nowMs: number): boolean {
    this.#pass(nowMs)
    // What ended well a while ago says nothing of those that come now.
    if (this.#running.size === 0 && nowMs - this.#emptySinceMs > PATIENCE_MS) this.#width = 1
    let most = Math.min(this.#width, companyOf(suspect.entry.deliveries, maxDeliveries))
    for (const { company } of this.#running.values()) most = Math.min(most, company)
    return this.#running.size < most
  }

  enter(suspect: Suspect, maxDeliveries: number, nowMs: number): void {
    this.#pass(nowMs)
    this.#running.set(suspect, { company: companyOf(suspect.entry.deliveries, maxDeliveries), ranMs: 0 })
  }

  /** It has ended and the process lives; or it did not run after all. */
  leave(suspect: Suspect, nowMs: number, hasRun = true): void {
    if (!this.#running.delete(suspect)) return
    this.#emptySinceMs = nowMs
    if (hasRun) this.#widen()
    for (const wake of this.#waiters) wake()
  }

  /** Called whenever a place becomes free. */
  onRoom(wake: () => void): void {
    this.#waiters.add(wake)
  }

  offRoom(wake: () => void): void {
    this.#waiters.delete(wake)
  }

  /** Those that have lived long enough are not waited for. While the process stands still nobody lives or dies. */
  #pass(nowMs: number): void {
    const stepMs = Math.min(MAX_STEP_MS, nowMs - this.#lookedAtMs)
    this.#lookedAtMs = nowMs
    for (const [suspect, running] of this.#running) {
      running.ranMs += stepMs
      if (running.ranMs < (running.company === 1 ? LAST_PATIENCE_MS : PATIENCE_MS)) continue
      this.#running.delete(suspect)
      this.#emptySinceMs = nowMs
      this.#widen()
    }
  }

  #widen(): void {
    this.#width = Math.min(MAX_WIDTH, this.#width + 1)
  }
}

/** This process's. */
export const suspectLane: SuspectLane = new SuspectLane()
