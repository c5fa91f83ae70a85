import { setTimeout as sleep } from 'node:timers/promises'
import type { DoStep } from '#promotion/intake/gift-intake.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'

/** What is done about one message; each of its steps goes through `doStep`. */
export type Work<Result = unknown> = (doStep: DoStep) => Promise<Result>

export interface SettleDeps {
  retryer: Retryer
  logger: Logger
  signal: AbortSignal
}

/** Pause before the retryer's next round, in ms; what is left of the same batch goes on together. */
const ROUND_PAUSE_MS = 1000

/** Does the work of a batch by its `doStep`, as {@link settleBatch} does that of each piece. */
export function settleAsOne<Result>(work: Work<Result>, deps: SettleDeps): Promise<Result> {
  return work(createPatience(deps))
}

/**
 * Does every piece of work of a batch. Each step is tried again by itself, wrapped in the retryer, round after round until
 * it is done: a database or Redis that is down makes the offset wait. Rejects only when `signal` aborts.
 * @returns what each piece came to, in their order.
 */
export function settleBatch<Result>(works: readonly Work<Result>[], deps: SettleDeps): Promise<Result[]> {
  const doStep = createPatience(deps)
  return Promise.all(works.map(work => work(doStep)))
}

function createPatience(deps: SettleDeps): DoStep {
  const { retryer, signal } = deps
  const pause = createPause(deps)
  const again = async <Result>(step: () => Promise<Result>): Promise<Result> => {
    for (;;) {
      try {
        return await retryer(() => {
          signal.throwIfAborted()
          return step()
        }, signal)
      } catch (error) {
        signal.throwIfAborted()
        await pause(error)
      }
    }
  }
  return async step => {
    // The retryer is for the few that fail; the many should not pay for it.
    try {
      return await step()
    } catch {
      return await again(step)
    }
  }
}

/** One pause, and one log line, for all that wait at a time. */
function createPause({ logger, signal }: SettleDeps): (error: unknown) => Promise<void> {
  let left = 0
  let pausing: Promise<void> | undefined
  return error => {
    left += 1
    pausing ??= sleep(ROUND_PAUSE_MS, undefined, { signal }).then(() => {
      const err = toError(error)
      logger.warn({ err, left }, `${left} messages wait to be tried again: ${errorLine(err)}`)
      left = 0
      pausing = undefined
    })
    return pausing
  }
}
