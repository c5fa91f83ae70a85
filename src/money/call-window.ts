/** Calls at once in a process that has heard nothing yet. */
const FIRST = 10
/** At the start the ceiling doubles in this time, in ms, however fast the answers come: a cold process stands still. */
const DOUBLING_MS = 250
/** How often a window that is not used is cut down to what was, in ms. */
const LOOK_MS = 1000

interface Waiting {
  resolve(mayCall: boolean): void
  signal: AbortSignal | undefined
}

/**
 * How many calls may be under way at once: few at first, one more with each usable answer (TCP's slow start, RFC 5681
 * §3.1), and no more than were of use lately (RFC 7661). So a process that starts warms up, and what answers nobody is
 * found out by a handful of calls.
 */
export class CallWindow {
  #max: number
  readonly #startedAtMs = performance.now()
  readonly #waiting: Waiting[] = []
  #size = FIRST
  #underWay = 0
  #most = 0
  #isClosed = false
  #lookDueAtMs = performance.now() + LOOK_MS

  constructor(max: number) {
    this.#max = max
  }

  /**
   * True when the call may be made, in the order of asking, urgent ones first: `leave` has to follow. False: dismissed, or its
   * signal has aborted: seen when a call under way has ended, which the same abort sees to.
   */
  enter(signal?: AbortSignal, isUrgent = false): true | Promise<boolean> {
    this.#look()
    if (this.#waiting.length === 0 && this.#underWay < this.#limit) {
      this.#begin()
      return true
    }
    if (this.#isClosed) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#waiting[isUrgent ? 'unshift' : 'push']({ resolve, signal })
    return promise
  }

  leave(isAnswered: boolean): void {
    if (isAnswered) this.#size = Math.min(this.#max, this.#size + 1)
    this.#underWay -= 1
    this.#serve()
  }

  get underWay(): number {
    return this.#underWay
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Another maximum; what is under way has its end. */
  set max(max: number) {
    this.#max = max
    this.#size = Math.min(this.#size, max)
    this.#serve()
  }

  /** Whoever waits now gets no turn. */
  dismiss(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(false)
  }

  /** From now on nobody waits. */
  close(): void {
    this.#isClosed = true
    this.dismiss()
  }

  /** Nothing is known of what comes next. */
  shrink(): void {
    this.#size = FIRST
  }

  get #limit(): number {
    const ramp = FIRST * 2 ** Math.min(30, (performance.now() - this.#startedAtMs) / DOUBLING_MS)
    return Math.min(this.#size, this.#max, ramp)
  }

  #begin(): void {
    this.#underWay += 1
    this.#most = Math.max(this.#most, this.#underWay)
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#limit) {
      const { resolve, signal } = this.#waiting.shift() as Waiting
      if (!signal?.aborted) this.#begin()
      resolve(!signal?.aborted)
    }
  }

  #look(): void {
    const nowMs = performance.now()
    if (nowMs < this.#lookDueAtMs) return
    // Longer without a call than between two looks: what was of use then is not known to be now.
    const isStale = nowMs > this.#lookDueAtMs + LOOK_MS && this.#underWay === 0
    this.#size = isStale ? FIRST : Math.max(FIRST, Math.min(this.#size, 2 * this.#most))
    this.#most = this.#underWay
    this.#lookDueAtMs = nowMs + LOOK_MS
  }
}
