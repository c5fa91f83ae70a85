import type { Metrics } from '#runtime/metrics.ts'
import type { Snapshot } from './snapshot/sampler.ts'

type View = Snapshot['promotions'][number]

/** What only the admin sees: promotions over all instances, workers, Kafka's lag. Read from its latest snapshot. */
export function registerAdminMetrics(metrics: Metrics, latest: () => Snapshot | undefined): void {
  registerPromotions(metrics, latest)
  registerInstallation(metrics, latest)
  registerAudits(metrics, latest)
}

function registerPromotions(metrics: Metrics, latest: () => Snapshot | undefined): void {
  const isOpen = ({ status }: View) => status !== 'COMPLETED'
  const perPromotion = (name: string, help: string, value: (view: View) => number, isShown = isOpen) =>
    metrics.labeledGauge(name, help, ['promotion_id', 'type'], () =>
      (latest()?.promotions ?? [])
        .filter(isShown)
        .map(view => ({ labels: { promotion_id: view.id, type: view.type }, value: value(view) })),
    )
  perPromotion('promostream_in_progress', '1 while a promotion is IN_PROGRESS, else 0', ({ status }) =>
    Number(status === 'IN_PROGRESS'),
  )
  perPromotion(
    'promostream_paused_by_itself',
    '1 while a promotion is PAUSED because too many of its gifts FAILED (PROMOTION_MAX_FAILED_SHARE), else 0',
    ({ status, pauseReason }) => Number(status === 'PAUSED' && Boolean(pauseReason)),
  )
  perPromotion('promostream_backlog', 'PENDING gifts of a promotion that no worker has leased', view => view.waiting)
  perPromotion('promostream_pending', 'PENDING gifts of a promotion that a worker has leased', view => view.active)
  perPromotion(
    'promostream_oldest_in_flight_seconds',
    'Since this admin first saw the oldest leased entry there',
    view => view.oldestLeasedS,
  )
  perPromotion('promostream_retrying', 'RETRYING gifts of a promotion', view => view.gifts.RETRYING)
  // They do not keep it from completing: one that has completed may have some still.
  perPromotion(
    'promostream_unknown',
    'UNKNOWN gifts of a promotion',
    view => view.gifts.UNKNOWN,
    view => isOpen(view) || view.gifts.UNKNOWN > 0,
  )
  perPromotion(
    'promostream_deadline_spare_seconds',
    'From the likely end of a promotion to its deadline; below 0 it will be late',
    view => view.verdict?.spareS ?? 0,
    ({ verdict }) => verdict !== null,
  )
  perPromotion('promostream_rate', 'Gifts a second of a promotion', view => view.perSecond)
}

function registerInstallation(metrics: Metrics, latest: () => Snapshot | undefined): void {
  metrics.gauge('promostream_workers', 'Worker processes alive; -1 while Redis does not answer', () => {
    const { instances } = latest()?.around ?? {}
    return instances?.length ?? -1
  })
  metrics.labeledGauge('promostream_workers_blocked', 'Workers that block their calls, by why', ['reason'], () => {
    const instances = latest()?.around.instances ?? []
    const blocked = {
      breaker: instances.filter(({ breaker }) => breaker !== 'closed').length,
      credentials: instances.filter(({ credentialsRefused }) => credentialsRefused).length,
      'rate-limit': instances.filter(({ rateLimited }) => rateLimited).length,
    }
    return Object.entries(blocked).map(([reason, value]) => ({ labels: { reason }, value }))
  })
  metrics.labeledGauge('promostream_kafka_lag', 'Gift messages that no listener has taken', ['type'], () =>
    Object.entries(latest()?.around.kafkaLag ?? {}).map(([type, value]) => ({ labels: { type }, value })),
  )
}

function registerAudits(metrics: Metrics, latest: () => Snapshot | undefined): void {
  const auditRuns = (value: (run: { ok: boolean; discrepancies: number; atSeconds: number }) => number) => () =>
    (latest()?.around.auditRuns ?? []).map(run => ({ labels: { charges: run.charges }, value: value(run) }))
  metrics.labeledGauge(
    'promostream_audit_age_seconds',
    'Since the last audit of all promotions that was recorded (audit --record), by where charges came from',
    ['charges'],
    auditRuns(({ atSeconds }) => Date.now() / 1000 - atSeconds),
  )
  metrics.labeledGauge(
    'promostream_audit_discrepancies',
    'What it found; 1 at least while it says that something does not balance',
    ['charges'],
    auditRuns(({ ok, discrepancies }) => (ok ? 0 : Math.max(1, discrepancies))),
  )
}
