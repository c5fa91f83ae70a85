const TICK_MS = 20
/** A tick that is late by less is a busy process, not one that stood still, in ms. */
const SMALL_MS = 10

/** How long this process's event loop has stood still, all in all, in ms, while anybody wanted to know. */
export class LoopLateness {
  #timer: NodeJS.Timeout | undefined
  #watchers = 0
  #dueAtMs = 0
  #totalMs = 0

  /** From now on it is looked at, until as many calls of `unwatch`: a process that waits for nobody has no timer. */
  watch(): void {
    this.#watchers += 1
    if (this.#timer !== undefined) return
    this.#dueAtMs = performance.now() + TICK_MS
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  unwatch(): void {
    this.#watchers -= 1
  }

  /** Up to now: a stall that is just over counts before its timer ran. */
  get totalMs(): number {
    this.#look(false)
    return this.#totalMs
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Stopped a tick after the last one has gone: calls that follow each other keep it. */
  #tick(): void {
    this.#look(true)
    if (this.#watchers === 0) this.stop()
  }

  #look(isTick: boolean): void {
    if (this.#timer === undefined) return
    const nowMs = performance.now()
    const lateMs = nowMs - this.#dueAtMs
    if (lateMs > SMALL_MS) this.#totalMs += lateMs
    if (isTick || lateMs > SMALL_MS) this.#dueAtMs = nowMs + TICK_MS
  }
}
