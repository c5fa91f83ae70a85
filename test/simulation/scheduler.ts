import type { Random } from './random.ts'

/** A process of the simulated world. What belongs to one that died never happens; to one that is frozen, later. */
export class SimProcess {
  readonly name: string
  isDead = false
  frozenUntilMs = 0
  lastImmediateAtMs = 0

  constructor(name: string) {
    this.name = name
  }
}

export interface Happening {
  dueMs: number
  order: number
  process: SimProcess | undefined
  run: (() => void) | undefined
}

/** How far apart what is due «at once» may be drawn, in ms. */
const MOMENT_MS = 0.02

/**
 * A virtual clock and what will happen on it. One happening runs at a time, and all promises that it settles run before
 * the next: so whatever code runs belongs to the process of the happening.
 */
export class Scheduler {
  nowMs = 0
  current: SimProcess | undefined
  happened = 0
  readonly random: Random
  readonly #heap: Happening[] = []
  #order = 0

  constructor(random: Random) {
    this.random = random
  }

  /** Makes `run` happen, in the name of a process or of nobody. */
  at(process: SimProcess | undefined, dueMs: number, run: () => void): Happening {
    const happening = { dueMs: Math.max(this.nowMs, dueMs), order: this.#order++, process, run }
    this.#push(happening)
    return happening
  }

  after(process: SimProcess | undefined, delayMs: number, run: () => void): Happening {
    return this.at(process, this.nowMs + delayMs, run)
  }

  /** In this process's order, a moment from now: others may come between. */
  soon(process: SimProcess | undefined, run: () => void): Happening {
    const dueMs = this.nowMs + this.random.next() * MOMENT_MS
    if (process === undefined) return this.at(process, dueMs, run)
    process.lastImmediateAtMs = Math.max(process.lastImmediateAtMs, dueMs)
    return this.at(process, process.lastImmediateAtMs, run)
  }

  /** Lets things happen until `isDone`, or until nothing is left to happen. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const step = () => {
        const next = isDone() ? undefined : this.#next()
        if (next === undefined) return resolve()
        this.current = next.process
        this.happened += 1
        next.run?.()
        // From a microtask: every promise that was settled has run by the time of the next tick.
        queueMicrotask(() => process.nextTick(step))
      }
      process.nextTick(step)
    })
  }

  #next(): Happening | undefined {
    for (;;) {
      const next = this.#pop()
      if (next === undefined) return undefined
      const { process } = next
      if (next.run === undefined || process?.isDead) continue
      if (process !== undefined && process.frozenUntilMs > next.dueMs) {
        next.dueMs = process.frozenUntilMs
        this.#push(next)
        continue
      }
      this.nowMs = next.dueMs
      return next
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(happening)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(happening, heap[above] as Happening)) break
      heap[at] = heap[above] as Happening
      at = above
    }
    heap[at] = happening
  }

  #pop(): Happening | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || first === last) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Happening, heap[below] as Happening)) below += 1
      if (!isBefore(heap[below] as Happening, last)) break
      heap[at] = heap[below] as Happening
      at = below
    }
    heap[at] = last
    return first
  }
}

function isBefore(left: Happening, right: Happening): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order)
}
