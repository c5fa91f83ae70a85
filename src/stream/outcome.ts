import { NO_DELAY, pauseOf } from './delivery.ts'

/** What a handler says of an entry; saying nothing means: done, acknowledge and delete it. */
export type Outcome = RetryLater | DeadLetter

/** «Not now, not your fault»: the entry is kept alive, costs no delivery, and comes again after the pause. */
export interface RetryLater {
  readonly kind: 'retry-later'
  readonly reason: string
  readonly delayMs: number
}

/** It can never be done: written to the dead-letter stream with the reason, then acknowledged. */
export interface DeadLetter {
  readonly kind: 'dead-letter'
  readonly reason: string
}

/**
 * @param options.delayMs pause before the handler sees the entry again, in ms; below 0 is none, Infinity lasts until
 * another consumer takes the entry over. Throws a TypeError for what is no number.
 */
export function retryLater(options: { delayMs: number; reason: string }): RetryLater {
  if (pauseOf(options.delayMs) === undefined) throw new TypeError(NO_DELAY)
  return { kind: 'retry-later', reason: options.reason, delayMs: options.delayMs }
}

export function deadLetter(reason: string): DeadLetter {
  return { kind: 'dead-letter', reason }
}
