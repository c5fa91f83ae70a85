import { setTimeout as sleep } from 'node:timers/promises'
import { UnfinishedGiftError } from '#promotion/processing.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'

export type Work = () => Promise<unknown>

export interface SettleDeps {
  retryer: Retryer
  logger: Logger
  signal: AbortSignal
}

/** Pause between two rounds of the retryer over what is left of a batch, in ms. */
const ROUND_PAUSE_MS = 1000

/**
 * Does every piece of work of a batch, each wrapped in the retryer, round after round until all are done: a database
 * or Redis that is down makes the offset wait. What stopped half-way goes on from there. Rejects only when `signal` aborts.
 */
export async function settleBatch(works: readonly Work[], deps: SettleDeps): Promise<void> {
  let left = [...works]
  while (left.length > 0) {
    const rests = await Promise.all(left.map(work => settleOne(work, deps)))
    const failed = rests.filter(rest => rest !== undefined)
    left = failed.map(({ work }) => work)
    if (failed[0] === undefined) return
    const { error } = failed[0]
    deps.logger.warn(
      { err: error, left: left.length },
      `${left.length} messages wait to be tried again: ${errorLine(error)}`,
    )
    await sleep(ROUND_PAUSE_MS, undefined, { signal: deps.signal })
  }
}

async function settleOne(work: Work, deps: SettleDeps): Promise<{ work: Work; error: Error } | undefined> {
  // The retryer is for the few that fail; the many should not pay for it.
  try {
    await work()
    return undefined
  } catch (error) {
    deps.signal.throwIfAborted()
    return settleAgain(error instanceof UnfinishedGiftError ? error.resume : work, deps)
  }
}

async function settleAgain(
  work: Work,
  { retryer, signal }: SettleDeps,
): Promise<{ work: Work; error: Error } | undefined> {
  let current = work
  try {
    await retryer(async () => {
      signal.throwIfAborted()
      try {
        await current()
      } catch (error) {
        if (error instanceof UnfinishedGiftError) current = error.resume
        throw error
      }
    }, signal)
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return { work: current, error: toError(error) }
  }
}
