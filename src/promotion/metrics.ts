import type { MoneyStatus } from '#money/status.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import type { Metrics } from '#runtime/metrics.ts'

const LATENCY_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5]

const BREAKER_LEVELS = { closed: 0, 'half-open': 1, open: 2 } as const

/** Whether the Money API may be called, as this process sees it. */
export function exposeMoneyStatus(metrics: Metrics, status: () => MoneyStatus, callLimit?: () => number): void {
  if (callLimit !== undefined)
    metrics.gauge(
      'promostream_money_call_limit',
      'Calls at once that the Money API bears, as far as this process has found out (MONEY_API_ADAPTIVE)',
      callLimit,
    )
  metrics.gauge(
    'promostream_money_breaker_state',
    'Circuit breaker of the Money API: 0 closed, 1 half-open, 2 open',
    () => BREAKER_LEVELS[status().breaker],
  )
  metrics.gauge('promostream_money_credentials_refused', 'The Money API refuses our credentials: 1, else 0', () =>
    Number(status().credentialsRefused),
  )
  metrics.gauge('promostream_money_rate_limited', 'Calls wait for MONEY_API_RATE_LIMIT: 1, else 0', () =>
    Number(status().rateLimited),
  )
}

const UPKEEP_FINDS = ['orphan', 'lost-retry', 'stopped-entry'] as const

export type UpkeepFind = (typeof UPKEEP_FINDS)[number]

const DEAD_LETTER_REASONS = ['unreadable', 'result-not-found', 'poison', 'other'] as const

/** The reason as a label: an unreadable message's own words would make a series each. */
export function deadLetterLabel(reason: string): (typeof DEAD_LETTER_REASONS)[number] {
  return DEAD_LETTER_REASONS.find(known => reason.startsWith(known)) ?? 'other'
}

/** What the domain counts. Conservation: messages = inserted + duplicate + skipped + invalid (`conservation.ts`). */
export function createPromotionMetrics(metrics: Metrics) {
  const counters = countersOf(metrics)
  beginAtZero(counters)
  return counters
}

/** `increase()` needs a value before: of a series that is born at 1 it never sees that one. */
function beginAtZero({ moneyConflicts, deadLetters, deliveries, otherGroups, upkeepFound }: PromotionMetrics): void {
  for (const type of PROMOTION_TYPES) {
    moneyConflicts.inc({ type }, 0)
    otherGroups.inc({ type }, 0)
    for (const reason of DEAD_LETTER_REASONS) deadLetters.inc({ type, reason }, 0)
    for (const repeated of ['true', 'false']) deliveries.inc({ type, repeated }, 0)
  }
  for (const what of UPKEEP_FINDS) upkeepFound.inc({ what }, 0)
}

function countersOf(metrics: Metrics) {
  return {
    messages: metrics.counter('promostream_messages_total', 'Gift messages of batches that have settled', ['type']),
    consumed: metrics.counter('promostream_consumed_total', 'Gift messages settled, by what became of them', [
      'type',
      'outcome',
    ]),
    transitions: metrics.counter('promostream_transitions_total', 'Result rows that entered a state', [
      'type',
      'status',
    ]),
    moneyConflicts: metrics.counter(
      'promostream_money_conflict_total',
      'A 200 of the Money API met a row that is FAILED, or SUCCESS with another transaction key',
      ['type'],
    ),
    deliveries: metrics.counter(
      'promostream_deliveries_total',
      'Entries handed to a slot; repeated ones had been before',
      ['type', 'repeated'],
    ),
    otherGroups: metrics.counter(
      'promostream_other_group_total',
      "Times it was seen that a second consumer group reads a promotion's stream, at most one a minute for each",
      ['type'],
    ),
    upkeepFound: metrics.counter(
      'promostream_upkeep_found_total',
      'Orphaned rows, lost retries and the like that upkeep has put back',
      ['what'],
    ),
    deadLetters: metrics.counter('promostream_dead_letters_total', 'Entries that had no row, or were poison', [
      'type',
      'reason',
    ]),
    startedEventErrors: metrics.counter('promostream_started_event_errors_total', 'Started events that start nothing', [
      'reason',
    ]),
    moneyCalls: metrics.histogram(
      'promostream_money_call_seconds',
      'Exchanges with the Money API, by what they meant',
      LATENCY_BUCKETS_SECONDS,
      ['method', 'meaning'],
    ),
  }
}

export type PromotionMetrics = ReturnType<typeof countersOf>
