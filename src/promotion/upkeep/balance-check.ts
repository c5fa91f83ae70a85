import type { Kysely } from 'kysely'
import { findWrongSummaries } from '#database/gifts/audit-rows.ts'
import { withRoundLock } from '#database/locks.ts'
import { listToBalance, type PromotionBalance, readBalance } from '#database/promotions/balance.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { OnLock } from './lock-watch.ts'

export interface BalanceCheck {
  /** Looks at promotions whose turn it is, for about a second, on one instance at a time. */
  round(): Promise<void>
}

/** A promotion is counted again after this long, by each instance that has the lock. */
const RECHECK_MS = 300_000
/** A round begins no further count after this long. */
const ROUND_MS = 1000

/**
 * Rule 12 of docs/contract.md «The rules of money», while it runs: inserted = Σ states, where SUCCESS and FAILED are
 * what the summary counters say, which only a transition moves. One snapshot a promotion, so that work in flight is on
 * both sides or on neither.
 */
export function createBalanceCheck(deps: {
  kysely: Kysely<unknown>
  metrics: Metrics
  logger: Logger
  onLock?: OnLock
}): BalanceCheck {
  const { kysely, metrics, logger } = deps
  const checkedAtMs = new Map<string, number>()
  const differences = new Map<string, number>()
  metrics.gauge(
    'promostream_unbalanced_rows',
    'Gifts by which rows and summary counters differ, as this process saw it last; anything but 0 is a fault',
    () => [...differences.values()].reduce((sum, difference) => sum + difference, 0),
  )
  const check = async (promotion: { id: string; type: PromotionType }) => {
    checkedAtMs.set(promotion.id, performance.now())
    const balance = await readBalance(kysely, promotion)
    const difference = differenceOf(balance)
    // A summary that several promotions share counts the others' gifts too: only the whole of its rows tells.
    const isWrong = difference > 0 && (await findWrongSummaries(kysely, [promotion.id], 1)).count > 0
    if (!isWrong) return void differences.delete(promotion.id)
    differences.set(promotion.id, difference)
    const { rows, states, successCount, failedCount } = balance
    logger.error(
      { promotionId: promotion.id, inserted: rows, ...states, successCount, failedCount, difference },
      `conservation broken: promotion ${promotion.id} has ${states.SUCCESS} SUCCESS and ${states.FAILED} FAILED rows, its summaries say ${successCount} and ${failedCount}`,
    )
  }
  const isDue = ({ id }: { id: string }) => performance.now() - (checkedAtMs.get(id) ?? -RECHECK_MS) >= RECHECK_MS
  const checkDue = async () => {
    const endMs = performance.now() + ROUND_MS
    const age = ({ id }: { id: string }) => checkedAtMs.get(id) ?? 0
    const due = (await listToBalance(kysely, RECHECK_MS * 2)).filter(isDue).sort((one, two) => age(one) - age(two))
    for (const promotion of due) {
      if (performance.now() > endMs) return
      await check(promotion).catch(error => {
        logger.warn(
          { err: toError(error), promotionId: promotion.id },
          `the balance could not be read: ${errorLine(error)}`,
        )
      })
    }
  }
  return {
    round: async () => {
      const isOurs = await withRoundLock(kysely, 'balance', checkDue)
      deps.onLock?.('balance', isOurs)
    },
  }
}

/** Gifts by which states and counters differ. */
export function differenceOf({ states, successCount, failedCount }: PromotionBalance): number {
  return Math.abs(states.SUCCESS - successCount) + Math.abs(states.FAILED - failedCount)
}
