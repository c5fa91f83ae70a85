import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import { type Bottleneck, bad, wait } from './cause.ts'

type RecentCallsSummary = NonNullable<InstanceRecord['recentCalls']>

/** Of the calls of the last seconds: fewer say nothing. */
const FEW_CALLS = 10
const MANY_FAIL = 0.1
/** One call in a hundred, or one in ten, takes so long. */
const SLOW_P99_MS = 800
const SLOW_P90_MS = 400

/** Calls of several processes as one: shares and rates are exact, percentiles those of the slowest process. */
export interface MoneyCalls {
  calls: number
  perSecond: number
  byMeaning: Readonly<Record<string, number>>
  failedShare: number
  p50Ms: number
  p90Ms: number
  p99Ms: number
  lastError: string | null
}

export function sumOfCalls(summaries: readonly RecentCallsSummary[]): MoneyCalls {
  const byMeaning: Record<string, number> = {}
  const sum: MoneyCalls = { ...NO_CALLS, byMeaning }
  let failed = 0
  for (const summary of summaries) {
    const counts = Object.entries(summary.byMeaning)
    const calls = counts.reduce((all, [, count]) => all + count, 0)
    for (const [meaning, count] of counts) byMeaning[meaning] = (byMeaning[meaning] ?? 0) + count
    sum.calls += calls
    sum.perSecond += summary.perSecond
    failed += summary.failedShare * calls
    sum.p50Ms = Math.max(sum.p50Ms, summary.p50Ms)
    sum.p90Ms = Math.max(sum.p90Ms, summary.p90Ms ?? summary.p50Ms)
    sum.p99Ms = Math.max(sum.p99Ms, summary.p99Ms)
    sum.lastError ??= summary.lastError
  }
  return { ...sum, failedShare: sum.calls === 0 ? 0 : failed / sum.calls }
}

const NO_CALLS = {
  ...{ calls: 0, perSecond: 0, byMeaning: {}, failedShare: 0 },
  ...{ p50Ms: 0, p90Ms: 0, p99Ms: 0, lastError: null },
}

/** What the Money API does to everybody: refused credentials and an outage explain calls that fail or are slow. */
export function moneyCauses(instances: readonly InstanceRecord[]): Bottleneck[] {
  const refused = instances.filter(({ credentialsRefused }) => credentialsRefused)
  const open = instances.filter(({ breaker }) => breaker !== 'closed')
  const found: Bottleneck[] = []
  if (refused.length > 0) {
    const since = earliest(refused.map(({ credentialsRefusedSince }) => credentialsRefusedSince))
    found.push({ ...bad('credentials-refused', t => t.bottleneck.credentialsRefused), ...since })
  } else if (open.length > 0) {
    const reason = open.find(({ breakerReason }) => breakerReason)?.breakerReason ?? undefined
    const since = earliest(open.map(({ breakerSince }) => breakerSince))
    const [blocked, all] = [open.length, instances.length]
    found.push({ ...bad('breaker-open', t => t.bottleneck.breakerOpen(reason, blocked, all)), ...since })
  } else found.push(...callCauses(sumOfCalls(instances.flatMap(({ recentCalls }) => recentCalls ?? []))))
  if (instances.some(({ rateLimited }) => rateLimited)) found.push(wait('rate-limit', t => t.bottleneck.rateLimit))
  return found
}

/** What the calls of the last seconds came to. */
function callCauses({ calls, failedShare, lastError, p90Ms, p99Ms }: MoneyCalls): Bottleneck[] {
  if (calls < FEW_CALLS) return []
  const error = lastError ?? undefined
  if (failedShare >= MANY_FAIL) return [bad('money-failing', t => t.bottleneck.moneyFailing(failedShare, error))]
  if (p99Ms < SLOW_P99_MS && p90Ms < SLOW_P90_MS) return []
  return [wait('money-slow', t => t.bottleneck.moneySlow(p90Ms, p99Ms))]
}

function earliest(times: readonly (string | null)[]): { since?: string } {
  const [since] = times.filter(time => time !== null && time !== '').sort()
  return since ? { since } : {}
}
