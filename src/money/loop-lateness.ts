const TICK_MS = 20
/** A tick that is late by less is a busy process, not one that stood still, in ms. */
const SMALL_MS = 10

/** How long this process's event loop has stood still, all in all, in ms. */
export class LoopLateness {
  readonly #timer: NodeJS.Timeout
  #dueAtMs = performance.now() + TICK_MS
  #totalMs = 0

  constructor() {
    this.#timer = setInterval(() => this.#look(true), TICK_MS).unref()
  }

  /** Up to now: a stall that is just over counts before its timer ran. */
  get totalMs(): number {
    this.#look(false)
    return this.#totalMs
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(isTick: boolean): void {
    const nowMs = performance.now()
    const lateMs = nowMs - this.#dueAtMs
    if (lateMs > SMALL_MS) this.#totalMs += lateMs
    if (isTick || lateMs > SMALL_MS) this.#dueAtMs = nowMs + TICK_MS
  }
}
