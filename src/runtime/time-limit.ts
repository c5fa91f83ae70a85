import { CodedError } from './errors.ts'
import { within } from './within.ts'

export type TimeLimit = <T>(work: () => Promise<T>) => Promise<T>

/**
 * Fails work that takes longer than `limitMs`. What is late goes on by itself; until it has ended, further work fails at
 * once: a server that is away is waited for once, and nothing piles up before it.
 */
export function createTimeLimit(name: string, limitMs: number): TimeLimit {
  let late = 0
  return async work => {
    if (late > 0) throw new CodedError('TIME_LIMIT', `${name} is still waiting for an earlier call`)
    let isLate = false
    const running = work().finally(() => {
      if (isLate) late -= 1
    })
    return within(running, limitMs, () => {
      isLate = true
      late += 1
      throw new CodedError('TIME_LIMIT', `${name} took longer than ${limitMs} ms`)
    })
  }
}
