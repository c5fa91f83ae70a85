import type { Loop } from './loop-watch.ts'

/** Tells work that takes long from work that stands still: how long ago the last piece of what is under way was done. */
export interface WorkProgress extends Loop {
  /** Runs `work`; while it runs, {@link turned} says that it gets on. */
  track<T>(work: () => Promise<T>): Promise<T>
  turned(): void
}

/** `ageMs` is 0 while nothing is under way. */
export function createWorkProgress(name: string): WorkProgress {
  let underWay = 0
  let turnedAtMs = 0
  const turned = () => {
    turnedAtMs = performance.now()
  }
  return {
    name,
    get ageMs() {
      return underWay === 0 ? 0 : performance.now() - turnedAtMs
    },
    track: async work => {
      if (underWay === 0) turned()
      underWay += 1
      try {
        return await work()
      } finally {
        underWay -= 1
        turned()
      }
    },
    turned,
  }
}
