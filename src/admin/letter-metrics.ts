import type { PromotionDeadLetters } from '#promotion/dead-letters.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { Snapshot } from './snapshot/sampler.ts'

/** Dead letters of the promotions that are watched, counted when somebody asks; none while Redis does not answer. */
export function registerLetterMetrics(
  metrics: Metrics,
  { latest, deadLetters }: { latest(): Snapshot | undefined; deadLetters: Pick<PromotionDeadLetters, 'count'> },
): void {
  const help = 'Dead letters of a promotion that nobody has replayed or discarded'
  metrics.labeledGauge('promostream_dead_letters', help, ['promotion_id', 'type'], async () => {
    const promotions = latest()?.promotions ?? []
    const counts = await deadLetters.count(promotions).catch(() => new Map<string, number>())
    return promotions.flatMap(({ id, type }) => {
      const value = counts.get(id)
      return value === undefined ? [] : [{ labels: { promotion_id: id, type }, value }]
    })
  })
}
