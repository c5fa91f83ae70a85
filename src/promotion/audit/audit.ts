import { findWrongSummaries, listAuditPromotions } from '#database/gifts/audit-rows.ts'
import { CodedError } from '#runtime/errors.ts'
import { auditCharges, type ChargeSource } from './charges.ts'
import { Discrepancies } from './discrepancies.ts'
import { auditMessages, type MessageCounts, type MessageSources } from './messages/messages.ts'
import type { AuditReport } from './report.ts'
import { loadRows, rowCountOf } from './rows.ts'
import { auditUnfinished, type UnfinishedSources } from './unfinished.ts'

type Shared = 'kysely' | 'promotionIds' | 'tables' | 'discrepancies' | 'progress'

/** What is joined with the rows; what is left out is not looked at. */
export interface AuditSources extends Pick<MessageSources, 'kysely' | 'promotionIds' | 'progress'> {
  kafka?: Omit<MessageSources, Shared>
  redis?: Omit<UnfinishedSources, Shared | 'sweepAgeMs'>
  charges?: ChargeSource
  sweepAgeMs: number
  /** Most discrepancies that are listed; all are counted. */
  limit: number
}

const NO_MESSAGES: MessageCounts = { messages: 0, duplicates: 0, skipped: 0, invalid: 0, expired: 0, repaired: 0 }

/**
 * Proves that messages, rows, entries, jobs, charges and counters say the same, or names what does not. Only reads, unless
 * it is given a `repair`. `PROMOTION_NOT_FOUND` when one that is named does not exist. Rows
 * are read first: what happens meanwhile is looked up again before it is called a discrepancy.
 */
export async function audit(sources: AuditSources): Promise<AuditReport> {
  const { kysely, sweepAgeMs, progress } = sources
  const promotionIds = [...new Set(sources.promotionIds)]
  await assertKnown(kysely, promotionIds)
  const discrepancies = new Discrepancies(sources.limit)
  const { tables, states, attempts } = await loadRows(
    kysely,
    promotionIds,
    { ageMs: sweepAgeMs, withCharges: sources.charges !== undefined },
    progress,
  )
  const shared = { kysely, promotionIds, tables, discrepancies, progress }
  const messages = sources.kafka && (await auditMessages({ ...sources.kafka, ...shared }))
  if (sources.redis !== undefined) await auditUnfinished({ ...sources.redis, ...shared, sweepAgeMs })
  const charges = sources.charges && (await auditCharges(sources.charges, shared))
  await auditSummaries({ ...sources, promotionIds }, discrepancies)
  const { listed, total } = discrepancies
  const unanswered = charges?.unanswered ?? 0
  return {
    ok: total === 0 && unanswered === 0,
    ...(messages ?? { ...NO_MESSAGES, messages: null }),
    rows: rowCountOf(tables),
    states,
    attempts,
    chargedOnce: charges?.chargedOnce ?? null,
    missing: discrepancies.count('message-without-row') + discrepancies.count('success-without-charge'),
    double: charges === undefined ? null : discrepancies.count('double-charge'),
    unanswered,
    counts: discrepancies.counts,
    discrepancies: listed,
    truncated: listed.length < total,
  }
}

/** A mistyped id would be «0 messages, all accounted for». */
async function assertKnown(kysely: AuditSources['kysely'], promotionIds: readonly string[]): Promise<void> {
  if (promotionIds.length === 0) return
  const known = new Set((await listAuditPromotions(kysely, promotionIds)).map(({ id }) => id))
  const unknown = promotionIds.filter(id => !known.has(id))
  if (unknown.length === 0) return
  throw new CodedError(
    'PROMOTION_NOT_FOUND',
    unknown.length === 1 ? `promotion ${unknown[0]} does not exist` : `promotions ${unknown.join(', ')} do not exist`,
  )
}

async function auditSummaries(
  { kysely, promotionIds, limit }: AuditSources,
  discrepancies: Discrepancies,
): Promise<void> {
  const { count, summaries } = await findWrongSummaries(kysely, promotionIds, Math.max(1, limit))
  for (const { summaryId, promotionId, successCount, failedCount, successRows, failedRows } of summaries) {
    const detail = `counters ${successCount} SUCCESS, ${failedCount} FAILED; rows ${successRows} SUCCESS, ${failedRows} FAILED`
    discrepancies.add({ kind: 'summary-counter-off', promotionId, summaryId, detail })
  }
  discrepancies.addUnlisted('summary-counter-off', count - summaries.length)
}
