import { type RawBuilder, sql } from 'kysely'
import type { PromotionType } from '#queues/gift-types.ts'
import { RESULT_TABLES } from './result-table.ts'

/*
 * A gift whose row was archived leaves a short one in `campaign_promotion_archived_gift`, for ever: its target takes no
 * other gift, and audit and seal go on counting it.
 */

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
