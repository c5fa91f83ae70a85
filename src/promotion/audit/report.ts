import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'
import { DISCREPANCY_KINDS, type Discrepancy, type DiscrepancyKind } from './discrepancies.ts'

/** Told what the audit is at; a long one may show a bar. */
export interface AuditProgress {
  begin(what: string, total: number): void
  advance(count: number): void
  end(): void
}

/** What the audit found. `null` = was not looked at. */
export interface AuditReport {
  /** No discrepancy, and everything that was asked was answered. */
  ok: boolean
  /** Gift messages that Kafka holds. */
  messages: number | null
  rows: number
  states: Record<ProcessStatus, number>
  /** POSTs that the rows count. */
  attempts: number
  duplicates: number
  skipped: number
  invalid: number
  /** Rows whose message is older than what Kafka keeps. */
  expired: number
  /** Messages without a row that were put back: as a row, or as skipped. */
  repaired: number
  /** SUCCESS rows with exactly one charge. */
  chargedOnce: number | null
  /** Messages without a row and SUCCESS rows without a charge. */
  missing: number
  /** Targets that were charged more than once. */
  double: number | null
  /** Keys that the Money API did not answer for. */
  unanswered: number
  counts: Partial<Record<DiscrepancyKind, number>>
  discrepancies: readonly Discrepancy[]
  /** There are more discrepancies than are listed. */
  truncated: boolean
}

/** The report as a person reads it: the discrepancies by kind, then the sum in one line. */
export function describeReport(report: AuditReport): string[] {
  const lines: string[] = []
  for (const [kind, count] of Object.entries(report.counts) as [DiscrepancyKind, number][]) {
    lines.push(`${kind}: ${count} ${DISCREPANCY_KINDS[kind]}`)
    const listed = report.discrepancies.filter(discrepancy => discrepancy.kind === kind)
    lines.push(...listed.map(discrepancy => `  ${describeDiscrepancy(discrepancy)}`))
    if (listed.length < count) lines.push(`  … and ${count - listed.length} more (--limit)`)
  }
  lines.push(describeSum(report))
  return lines
}

function describeDiscrepancy({ kind: _, detail, ...ids }: Discrepancy): string {
  const named = Object.entries(ids).map(([name, value]) => `${name} ${value}`)
  return [...named, ...(detail === undefined ? [] : [`(${detail})`])].join('  ')
}

function describeSum(report: AuditReport): string {
  const { messages, rows, states, chargedOnce, missing, double } = report
  const unpaid = PROCESS_STATUSES.filter(status => status !== 'SUCCESS' && states[status] > 0)
  const parts = [
    messages === null ? 'messages not looked at' : `${messages} messages`,
    `${rows} rows`,
    ...some(report.expired, 'rows older than what Kafka keeps'),
    ...some(report.duplicates, 'duplicates'),
    ...some(report.skipped, 'skipped'),
    ...some(report.invalid, 'invalid'),
    ...some(report.repaired, 'put back'),
    ...unpaid.map(status => `${states[status]} ${status}`),
    chargedOnce === null
      ? `${states.SUCCESS} SUCCESS, charges not looked at (--charges api asks the Money API)`
      : `${chargedOnce} charged once`,
    `${missing} missing`,
    ...(double === null ? [] : [`${double} double`]),
    ...some(report.unanswered, 'not answered for by the Money API'),
  ]
  return parts.join(', ')
}

function some(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} ${what}`]
}
