import { stringify } from '#admin/report/csv.ts'
import type { PromotionView } from '#admin/snapshot/sampler.ts'
import type { GiftSums } from '#database/gifts/gift-sums.ts'
import { PROCESS_STATUSES } from '#database/gifts/process-status.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'

/** What the audit found of the promotion: rows against the messages that Kafka still holds, and counters against rows. */
export interface AuditVerdict {
  ok: boolean
  /** Discrepancies by kind. */
  counts: Readonly<Record<string, number>>
  /** What could not be asked, in words; null: everything was. */
  incomplete: string | null
}

/** What a promotion came to. Amounts are minor units as exact digits, times ISO 8601 in UTC. */
export interface ClosingReport {
  madeAt: string
  promotion: {
    id: string
    name: string
    type: PromotionType
    status: PromotionStatus
    totalCount: number
    startedAt: string | null
    finishedAt: string | null
    deadlineAt: string | null
  }
  durationSeconds: number | null
  /** Gifts that are done, by second of its duration. */
  averagePerSecond: number | null
  rows: number
  /** Rows less the total that was expected; null where nobody said one. */
  difference: number | null
  gifts: GiftSums
  /** Messages that it did not take, by reason. */
  skipped: Readonly<Record<string, number>>
  audit: AuditVerdict
  /** Its last seal (docs/seal.md); null: it is not sealed. */
  seal: ReportSeal | null
}

/** What a seal says, as people compare it. */
export interface ReportSeal {
  sealedAt: string
  gifts: string
  /** SHA-256, hex. */
  root: string
  /** Fingerprint of the public key. */
  key: string
}

export function closingReport(
  view: PromotionView,
  found: Pick<ClosingReport, 'gifts' | 'skipped' | 'audit' | 'seal'>,
): ClosingReport {
  const { id, name, type, status, totalCount, startedAt, finishedAt, deadlineAt = null } = view
  const { gifts } = found
  const end = finishedAt === null ? Date.now() : Date.parse(finishedAt)
  const durationSeconds = startedAt === null ? null : Math.max(0, Math.round((end - Date.parse(startedAt)) / 1000))
  const rows = PROCESS_STATUSES.reduce((sum, state) => sum + gifts[state].count, 0)
  const done = gifts.SUCCESS.count + gifts.FAILED.count + gifts.UNKNOWN.count
  return {
    madeAt: new Date().toISOString(),
    promotion: { id, name, type, status, totalCount, startedAt, finishedAt, deadlineAt },
    durationSeconds,
    averagePerSecond: durationSeconds ? Math.round((done / durationSeconds) * 10) / 10 : null,
    rows,
    difference: totalCount > 0 ? rows - totalCount : null,
    ...found,
  }
}

/** The report as a table of names and values, for spreadsheets. */
export function reportCsv(report: ClosingReport): string {
  const { promotion, gifts, skipped, audit, seal, madeAt, ...figures } = report
  return stringify([
    ['name', 'value'],
    ...Object.entries(promotion).map(([name, value]) => [`promotion.${name}`, value]),
    ...Object.entries(figures),
    ...PROCESS_STATUSES.flatMap(state => [
      [`gifts.${state}.count`, gifts[state].count],
      [`gifts.${state}.amount`, gifts[state].amount],
    ]),
    ...Object.entries(skipped).map(([reason, count]) => [`skipped.${reason}`, count]),
    ['audit.ok', audit.ok],
    ['audit.incomplete', audit.incomplete],
    ...Object.entries(audit.counts).map(([kind, count]) => [`audit.${kind}`, count]),
    ...Object.entries(seal ?? {}).map(([name, value]) => [`seal.${name}`, value]),
    ['madeAt', madeAt],
  ])
}
