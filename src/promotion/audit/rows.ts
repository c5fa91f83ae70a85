import type { Kysely } from 'kysely'
import { auditRowPages, countAuditRows } from '#database/gifts/audit-rows.ts'
import { PROCESS_STATUSES, type ProcessStatus } from '#database/gifts/process-status.ts'
import { byGiftType, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import type { AuditProgress } from './report.ts'
import { RowTable } from './row-table.ts'

const PAGE_SIZE = 500

export interface LoadedRows {
  tables: Readonly<Record<PromotionType, RowTable>>
  states: Record<ProcessStatus, number>
  /** POSTs that the rows count. */
  attempts: number
}

export function rowCountOf(tables: LoadedRows['tables']): number {
  return Object.values(tables).reduce((sum, { size }) => sum + size, 0)
}

/** Reads the rows of the promotions (none named = all) once, page by page, into a table a gift type. */
export async function loadRows(
  kysely: Kysely<unknown>,
  promotionIds: readonly string[],
  options: { ageMs: number; withCharges: boolean },
  progress: AuditProgress,
): Promise<LoadedRows> {
  const counts = byGiftType(() => 0)
  for (const type of PROMOTION_TYPES) counts[type] = await countAuditRows(kysely, type, promotionIds)
  const tables = byGiftType(type => new RowTable(counts[type], options.withCharges))
  const states = Object.fromEntries(PROCESS_STATUSES.map(status => [status, 0])) as Record<ProcessStatus, number>
  let attempts = 0
  progress.begin(
    'rows',
    Object.values(counts).reduce((sum, count) => sum + count, 0),
  )
  for (const type of PROMOTION_TYPES) {
    for (const promotionId of promotionIds.length === 0 ? [undefined] : promotionIds) {
      for await (const page of auditRowPages(kysely, type, { promotionId, ageMs: options.ageMs, size: PAGE_SIZE })) {
        for (const row of page) {
          tables[type].add(row)
          states[row.processStatus] += 1
          attempts += row.attempts
        }
        progress.advance(page.length)
      }
    }
  }
  progress.end()
  return { tables, states, attempts }
}
