import type { PromotionMetrics } from '#promotion/metrics.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { TopicOutcome } from './gift-intake.ts'

/**
 * Rule 12 of docs/contract.md «The rules of money», while it runs: consumed = inserted + duplicates + skipped +
 * invalid.
 */
export interface MessageConservation {
  /** A batch has settled, its offset not yet committed: so many messages were taken, and this is what they became. */
  settled(type: PromotionType, taken: number, outcomes: readonly unknown[]): void
}

const OUTCOMES = ['inserted', 'duplicate', 'skipped', 'invalid'] as const satisfies readonly TopicOutcome[]

/** Counts only what has settled: work in flight is on neither side. A batch that does not balance is an error line. */
export function createMessageConservation(deps: {
  metrics: Metrics
  counters: Pick<PromotionMetrics, 'messages' | 'consumed'>
  logger: Logger
}): MessageConservation {
  const { metrics, counters, logger } = deps
  let unaccounted = 0
  metrics.gauge(
    'promostream_unaccounted_messages',
    'Gift messages that settled without having become anything; anything but 0 is a fault',
    () => unaccounted,
  )
  return {
    settled: (type, taken, outcomes) => {
      counters.messages.inc({ type }, taken)
      const counts = { inserted: 0, duplicate: 0, skipped: 0, invalid: 0 }
      for (const outcome of OUTCOMES) {
        counts[outcome] = outcomes.filter(each => each === outcome).length
        if (counts[outcome] > 0) counters.consumed.inc({ type, outcome }, counts[outcome])
      }
      const accounted = OUTCOMES.reduce((sum, outcome) => sum + counts[outcome], 0)
      if (accounted === taken) return
      unaccounted += Math.abs(taken - accounted)
      logger.error(
        { type, consumed: taken, ...counts, unaccounted },
        `conservation broken: ${taken} ${type} messages consumed, ${accounted} accounted for`,
      )
    },
  }
}
