import { errorLine } from '#runtime/errors.ts'

/** What a handler says of an entry; saying nothing means: done, acknowledge and delete it. */
export type Outcome = RetryLater | DeadLetter

/** «Not now, not your fault»: the entry is kept alive, costs no delivery, and comes again after the pause. */
export interface RetryLater {
  /** What tells it from results. */
  readonly kind: 'retry-later'
  /** Why, for whoever reads. */
  readonly reason: string
  /** Pause before the handler sees the entry again, in ms. */
  readonly delayMs: number
}

/** It can never be done: written to the dead-letter stream with the reason, then acknowledged. */
export interface DeadLetter {
  /** What tells it from results. */
  readonly kind: 'dead-letter'
  /** Why; it stands in the letter. */
  readonly reason: string
}

/**
 * What a handler returns to see the entry again later, at no cost.
 * @param options.delayMs pause before the handler sees the entry again, in ms; below 0 is none, Infinity lasts until
 * another consumer takes the entry over. Throws a TypeError for what is no number.
 */
export function retryLater(options: { delayMs: number; reason: string }): RetryLater {
  const { delayMs } = options as { delayMs: unknown }
  if (typeof delayMs !== 'number' || Number.isNaN(delayMs))
    throw new TypeError('retryLater: delayMs must be a number of ms')
  return { kind: 'retry-later', reason: options.reason, delayMs: Math.max(0, options.delayMs) }
}

/** What a handler returns to give the entry up. @param reason stands in the letter. */
export function deadLetter(reason: string): DeadLetter {
  return { kind: 'dead-letter', reason }
}

/**
 * What a handler's value says; undefined = done. Also what is no outcome: a handler whose type was lost may return its
 * result, as BullMQ's do. Throws for an outcome that cannot be obeyed, or whose parts cannot be read.
 */
export function saidBy(value: unknown): Outcome | undefined {
  const { kind, delayMs, reason } = (value ?? {}) as { kind?: unknown; delayMs?: unknown; reason?: unknown }
  if (kind === 'retry-later') return retryLater({ delayMs: delayMs as number, reason: textOf(reason) })
  return kind === 'dead-letter' ? deadLetter(textOf(reason)) : undefined
}

const textOf = (reason: unknown) => (typeof reason === 'string' ? reason : errorLine(reason))
