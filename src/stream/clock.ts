import { setTimeout as realSleep } from 'node:timers/promises'

/**
 * The framework's time: its files take these instead of Node's, so that a test can move it. Without a test clock they are
 * Node's, looked up at each call.
 */

/** What a test clock does instead of Node. Times in ms. */
export interface TimeSource {
  /** How far it was moved ahead of the real time. */
  readonly aheadMs: number
  startTimer(run: () => void, ms: number): NodeJS.Timeout
  /** False for a timer that is not its own. */
  stopTimer(timer: NodeJS.Timeout): boolean
}

let source: TimeSource | undefined

/** Who moves the time of this process's queues and workers; undefined: nobody. @internal */
export function useTimeSource(next: TimeSource | undefined): void {
  source = next
}

/** @internal */
export function timeSource(): TimeSource | undefined {
  return source
}

/** Monotonic, in ms. */
export const performance = {
  now: (): number => globalThis.performance.now() + (source?.aheadMs ?? 0),
}

/** By the wall clock, in ms since the epoch. */
export function epochMs(): number {
  return Date.now() + (source?.aheadMs ?? 0)
}

export function setTimeout(run: () => void, ms = 0): NodeJS.Timeout {
  return source?.startTimer(run, ms) ?? globalThis.setTimeout(run, ms)
}

export function clearTimeout(timer: NodeJS.Timeout | undefined): void {
  if (timer !== undefined && source?.stopTimer(timer) !== true) globalThis.clearTimeout(timer)
}

export function sleep(ms: number): Promise<void> {
  return source === undefined ? realSleep(ms) : new Promise(resolve => void setTimeout(resolve, ms))
}
