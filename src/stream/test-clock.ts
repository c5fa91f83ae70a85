import type { TimeSource } from './clock.ts'
import { timeSource, useTimeSource } from './clock.ts'
import { assertWhole } from './option-checks.ts'

/** Longest step of a move, in ms: the pool looks after its workers so often, which renew what they have leased. */
const STEP_MS = 250
/** Turns of the event loop after each step: so many commands, one after the other, does any timer lead to. */
const TURNS = 24

interface Due {
  atMs: number
  run(): void
}

/** As Node's timers are, for who wants to tell it not to keep the process alive. */
class MovedTimer {
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

/** Real time that can be moved ahead. Timers that are due by then run on the way, in their order. */
export class ShiftedTime implements TimeSource {
  aheadMs = 0
  readonly #dues = new Map<NodeJS.Timeout, Due>()
  #real: NodeJS.Timeout | undefined

  get #nowMs(): number {
    return globalThis.performance.now() + this.aheadMs
  }

  startTimer(run: () => void, ms: number): NodeJS.Timeout {
    const timer = new MovedTimer() as unknown as NodeJS.Timeout
    this.#dues.set(timer, { atMs: this.#nowMs + Math.max(1, ms), run })
    this.#wait()
    return timer
  }

  stopTimer(timer: NodeJS.Timeout): boolean {
    if (!(timer instanceof MovedTimer)) return false
    this.#dues.delete(timer)
    this.#wait()
    return true
  }

  async advance(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
      this.aheadMs += Math.min(STEP_MS, leftMs)
      this.#runDue()
      for (let turn = 0; turn < TURNS; turn++) await new Promise(resolve => setImmediate(resolve))
    }
  }

  #runDue(): void {
    const nowMs = this.#nowMs
    for (;;) {
      const [next] = [...this.#dues]
        .filter(([, { atMs }]) => atMs <= nowMs)
        .sort((one, other) => one[1].atMs - other[1].atMs)
      if (next === undefined) break
      const [timer, due] = next
      this.#dues.delete(timer)
      due.run()
    }
    this.#wait()
  }

  /** Time goes by without being moved, too. */
  #wait(): void {
    globalThis.clearTimeout(this.#real)
    this.#real = undefined
    if (this.#dues.size === 0) return
    const nextMs = Math.min(...[...this.#dues.values()].map(({ atMs }) => atMs))
    this.#real = globalThis.setTimeout(() => this.#runDue(), Math.min(2 ** 31 - 1, Math.max(1, nextMs - this.#nowMs)))
  }
}

/** The time of all queues and workers of this process, while a test queue is open: it goes by as always, and can be moved. */
export class TestClock {
  readonly #time: ShiftedTime

  /** @internal */
  constructor(time: ShiftedTime) {
    this.#time = time
  }

  /** In ms since the epoch. */
  now(): number {
    return Date.now() + this.#time.aheadMs
  }

  /**
   * Moves the time ahead, in steps of 250 ms, and lets what becomes due happen on the way: back-offs end, windows of a rate
   * limit begin, what dead workers left is claimed. An hour takes about a second. Resolves when the last step has had its
   * turn; handlers that wait for something else than this clock may still run. Throws a TypeError for what is no time.
   * @param ms whole milliseconds.
   */
  async advance(ms: number): Promise<void> {
    assertWhole('ms', ms, 0)
    await this.#time.advance(ms)
  }
}

let users = 0

/** The process's moved time: there is one for all who test at once. */
export function shareTime(): { time: ShiftedTime; release(): void } {
  const known = timeSource()
  const time = known instanceof ShiftedTime ? known : new ShiftedTime()
  useTimeSource(time)
  users += 1
  let isReleased = false
  return {
    time,
    release: () => {
      if (isReleased) return
      isReleased = true
      users -= 1
      if (users === 0) useTimeSource(undefined)
    },
  }
}
