/** Takes one line for a person to read, without a line feed. */
export type ProgressLine = (line: string) => void

/** Nobody looks at a silent terminal for more than 2 s. */
const MAX_SILENCE_MS = 1600
const TICK_MS = 200

/** Says what is going on: a line when a step begins, and a sign of life while steps last. */
export class Progress {
  readonly #print: ProgressLine
  readonly #steps = new Map<symbol, { label: string; startedMs: number }>()
  #lastLineMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor(print: ProgressLine) {
    this.#print = print
  }

  say(line: string): void {
    this.#lastLineMs = performance.now()
    this.#print(line)
  }

  /** Runs `work`; while it lasts a line appears at least every 2 s. `announce` prints its label at once. */
  async step<T>(label: string, work: () => Promise<T>, announce = true): Promise<T> {
    const id = Symbol(label)
    this.#steps.set(id, { label, startedMs: performance.now() })
    if (announce) this.say(`${label} …`)
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS)
    try {
      return await work()
    } finally {
      this.#steps.delete(id)
      if (this.#steps.size === 0) this.#timer = void clearInterval(this.#timer)
    }
  }

  #tick(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastLineMs < MAX_SILENCE_MS) return
    const steps = [...this.#steps.values()]
    this.say(steps.map(({ label, startedMs }) => `${label} … ${Math.round((nowMs - startedMs) / 1000)} s`).join(', '))
  }
}
