import { failureBackoffMs } from './delivery.ts'
import type { Anything, StreamJob } from './job.ts'
import { assertMs, assertObject, assertOneOf } from './option-checks.ts'

/** As BullMQ's. `jitter`: 0 none … 1 anything from 0 to the whole pause. */
export interface BackoffOptions {
  /** The same pause each time, or twice the one before. */
  type: 'fixed' | 'exponential'
  /** Pause before the second try, in ms; `exponential` doubles it each time. */
  delay: number
  /** Share of the pause that is left to chance, 0 to 1. Default 0. */
  jitter?: number
}

/**
 * Pause before the next try, in ms; `attemptsMade` is 1 after the first failure. Below 0: give up, the entry becomes a dead
 * letter now.
 */
export type BackoffStrategy<Data = Anything> = (attemptsMade: number, error: Error, job: StreamJob<Data>) => number

/** ms, options, or a strategy. */
export type Backoff<Data = Anything> = number | BackoffOptions | BackoffStrategy<Data>

/** Longest pause of who says nothing, in ms. */
export const DEFAULT_MAX_BACKOFF_MS = 30_000

/** Errors of this name give up at once, as BullMQ's own class does. */
const UNRECOVERABLE = 'UnrecoverableError'

export function assertBackoff(backoff: unknown): void {
  if (typeof backoff === 'function') return
  if (typeof backoff === 'number') assertMs('backoff', backoff, 0)
  else assertBackoffOptions(backoff)
}

function assertBackoffOptions(backoff: unknown): void {
  assertObject('backoff', backoff)
  const { type, delay, jitter } = backoff as Partial<BackoffOptions>
  assertOneOf('backoff.type', type, ['fixed', 'exponential'])
  assertMs('backoff.delay', delay, 0)
  if (jitter !== undefined && !(typeof jitter === 'number' && jitter >= 0 && jitter <= 1))
    throw new TypeError('backoff.jitter must be a number from 0 to 1')
}

/**
 * The pause that a worker makes after a failure, in ms. Never above `maxBackoffMs` but for a strategy of the user's; where
 * that is not given, the default back-off ends at 30 s, and one that is given grows as it says.
 */
export function pauseAfter<Data>(
  backoff: Backoff<Data> | undefined,
  maxBackoffMs: number | undefined,
): (attemptsMade: number, error: Error, job: () => StreamJob<Data>) => number {
  const pauseMs = strategyOf(backoff, maxBackoffMs)
  return (attemptsMade, error, job) => (error.name === UNRECOVERABLE ? -1 : pauseMs(attemptsMade, error, job))
}

function strategyOf<Data>(backoff: Backoff<Data> | undefined, maxBackoffMs: number | undefined) {
  if (backoff === undefined)
    return (attemptsMade: number) => failureBackoffMs(attemptsMade + 1, maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS)
  if (typeof backoff === 'function')
    return (attemptsMade: number, error: Error, job: () => StreamJob<Data>) =>
      checkedPause(backoff(attemptsMade, error, job()))
  const longestMs = maxBackoffMs ?? Number.POSITIVE_INFINITY
  const { type, delay, jitter = 0 } = typeof backoff === 'number' ? { type: 'fixed', delay: backoff } : backoff
  return (attemptsMade: number) => {
    const wholeMs = type === 'fixed' ? delay : delay * 2 ** Math.min(attemptsMade - 1, 30)
    return Math.min(longestMs, wholeMs) * (1 - jitter * Math.random())
  }
}

function checkedPause(pauseMs: unknown): number {
  if (typeof pauseMs === 'number' && !Number.isNaN(pauseMs)) return pauseMs
  throw new TypeError('the back-off must be a number of ms')
}
