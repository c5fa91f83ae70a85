import { setTimeout as sleep } from 'node:timers/promises'
import { UnfinishedGiftError } from '#promotion/payment/processing.ts'
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

/** A piece of work and its place in the batch. */
interface Piece {
  work: Work
  index: number
}

/**
 * Does every piece of work of a batch, each wrapped in the retryer, round after round until all are done: a database
 * or Redis that is down makes the offset wait. What stopped half-way goes on from there. Rejects only when `signal` aborts.
 * @returns what each piece came to, in their order.
 */
export async function settleBatch(works: readonly Work[], deps: SettleDeps): Promise<unknown[]> {
  const results: unknown[] = new Array(works.length)
  let left: Piece[] = works.map((work, index) => ({ work, index }))
  while (left.length > 0) {
    const rests = await Promise.all(left.map(piece => settleOne(piece, results, deps)))
    const failed = rests.filter(rest => rest !== undefined)
    left = failed
    if (failed[0] === undefined) break
    const { error } = failed[0]
    deps.logger.warn(
      { err: error, left: left.length },
      `${left.length} messages wait to be tried again: ${errorLine(error)}`,
    )
    await sleep(ROUND_PAUSE_MS, undefined, { signal: deps.signal })
  }
  return results
}

async function settleOne(
  { work, index }: Piece,
  results: unknown[],
  deps: SettleDeps,
): Promise<(Piece & { error: Error }) | undefined> {
  // The retryer is for the few that fail; the many should not pay for it.
  try {
    results[index] = await work()
    return undefined
  } catch (error) {
    deps.signal.throwIfAborted()
    return settleAgain({ work: error instanceof UnfinishedGiftError ? error.resume : work, index }, results, deps)
  }
}

async function settleAgain(
  { work, index }: Piece,
  results: unknown[],
  { retryer, signal }: SettleDeps,
): Promise<(Piece & { error: Error }) | undefined> {
  let current = work
  try {
    await retryer(async () => {
      signal.throwIfAborted()
      try {
        results[index] = await current()
      } catch (error) {
        if (error instanceof UnfinishedGiftError) current = error.resume
        throw error
      }
    }, signal)
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return { work: current, index, error: toError(error) }
  }
}
