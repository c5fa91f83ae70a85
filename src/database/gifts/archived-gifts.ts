import { type RawBuilder, sql } from 'kysely'
import type { PromotionType } from '#queues/gift-types.ts'
import { columnOf, type GiftField } from './gift-columns.ts'
import { RESULT_TABLES } from './result-table.ts'

/*
 * A gift whose row was archived leaves a short one in `campaign_promotion_archived_gift`, for ever: its target takes no
 * other gift, and audit and seal go on counting it.
 */

/** What it keeps of a row, beside type, id and target. */
const KEPT = [
  'promotionId',
  'promotionSummaryId',
  'memberId',
  'amount',
  'processStatus',
  'moneyKey',
  'attempts',
  'kafkaPartition',
  'kafkaOffset',
] as const satisfies readonly GiftField[]

/** Its columns, which are called as in a result row. */
export const KEPT_COLUMNS = KEPT.map(columnOf).join(', ')

const RENAMED: Readonly<Record<string, string>> = { id: 'gift_id' }

/** Columns of an archived gift `t` for a select, by the names that they have of a row. */
export function archivedColumns(fields: readonly ('id' | 'targetId' | (typeof KEPT)[number])[]): string {
  return fields.map(field => `t.${RENAMED[field] ?? columnOf(field)} as "${field}"`).join(', ')
}

/** As SQL: whether `targetId`, a column of the query around it, is an archived gift's. One look into an index. */
export function isArchived(type: PromotionType, targetId: string): string {
  return `exists (select from campaign_promotion_archived_gift t where t.type = '${type}' and t.target_id = ${targetId})`
}

/** Archived gifts of one type as `t`, but for those whose row is still there: an archive that was cut short. */
export function archivedOf(type: PromotionType): RawBuilder<unknown> {
  const { name, targetColumn } = RESULT_TABLES[type]
  return sql`campaign_promotion_archived_gift t where t.type = ${sql.lit(type)}
    and not exists (select from ${sql.table(name)} r where ${sql.ref(`r.${targetColumn}`)} = t.target_id)`
}
