import type { PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import type { Metrics } from '#runtime/metrics.ts'

/** Something that must come round again and again, and how long ago it last did, in ms. */
interface Recurring {
  readonly name: string
  readonly ageMs: number
}

/** What this process holds, and whether its loops still turn; read when somebody asks. */
export function registerLoopMetrics(metrics: Metrics, recurring: readonly Recurring[]): void {
  metrics.labeledGauge(
    'promostream_poll_age_seconds',
    'Since a loop last came round: a Kafka consumer’s poll, or upkeep',
    ['loop'],
    () => recurring.map(({ name, ageMs }) => ({ labels: { loop: name }, value: ageMs / 1000 })),
  )
}

export function registerConsumerMetrics(metrics: Metrics, registry: Pick<PromotionConsumerRegistry, 'contexts'>): void {
  const sum = (of: (context: (typeof registry.contexts)[number]) => number) =>
    registry.contexts.reduce((total, context) => total + of(context), 0)
  metrics.gauge('promostream_in_flight', 'Gifts in the slots of this process', () =>
    sum(({ worker }) => worker.inFlight),
  )
  metrics.gauge('promostream_slots', 'Slots that its promotions may use', () => sum(({ worker }) => worker.concurrency))
}
