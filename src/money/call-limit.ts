import { answersNeeded, firstLimit, type LimitState, LOOK_INTERVAL_MS, nextLimit } from './adaptive-limit.ts'
import type { CallWindow } from './call-window.ts'

const FIRST = 10

/** Narrows and widens a window by what the calls through it tell. Looks when a call has ended: no timer. */
export class CallLimit {
  readonly #window: CallWindow
  readonly #most: number
  #state: LimitState
  #durationsMs: number[] = []
  #failed = 0
  #underWay = 0
  #lookedAtMs = performance.now()

  /** `most`: never more than these at once. */
  constructor(window: CallWindow, most: number) {
    this.#window = window
    this.#most = most
    this.#state = firstLimit(Math.min(FIRST, most))
    window.max = this.#state.limit
  }

  get limit(): number {
    return this.#state.limit
  }

  /** A call of this window has ended, and has not left it yet. */
  add(seconds: number, isUsable: boolean): void {
    this.#durationsMs.push(seconds * 1000)
    if (!isUsable) this.#failed += 1
    this.#underWay = Math.max(this.#underWay, this.#window.underWay)
    const nowMs = performance.now()
    const overMs = nowMs - this.#lookedAtMs
    // Answers that take longer than a look are awaited: else a slow API would never be seen to bear more.
    if (overMs < LOOK_INTERVAL_MS || this.#durationsMs.length < answersNeeded(this.#state)) return
    this.#lookedAtMs = nowMs
    const sorted = this.#durationsMs.sort((one, other) => one - other)
    const medianMs = sorted[sorted.length >> 1] ?? 0
    const sample = { answers: sorted.length, failed: this.#failed, medianMs, underWay: this.#underWay, overMs }
    this.#state = nextLimit(this.#state, sample, this.#most)
    this.#window.max = this.#state.limit
    this.#durationsMs = []
    this.#failed = 0
    this.#underWay = 0
  }
}
