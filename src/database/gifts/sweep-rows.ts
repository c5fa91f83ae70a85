import { type Kysely, sql } from 'kysely'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { RefillRow } from './refill-rows.ts'
import { RESULT_TABLES } from './result-table.ts'

type PromotionRef = Pick<Promotion, 'id' | 'type'>

/** An orphaned row, with its target. */
export interface LeftRow extends RefillRow {
  targetId: string
  attempts: number
}

/** How many rows of a promotion should have an entry on its stream right now. */
export async function countExpectedEntries(kysely: Kysely<unknown>, { id, type }: PromotionRef): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::float8 as count from ${sql.table(RESULT_TABLES[type].name)}
    where promotion_id = ${id}::bigint and enqueued and process_status = 'PENDING'`.execute(kysely)
  return rows[0]?.count ?? 0
}

/** A page of rows, by id, that have been in `status` and meant for stream or retry for longer than `ageMs`. */
export async function listLeftRows(
  kysely: Kysely<unknown>,
  { id, type }: PromotionRef,
  page: { status: 'PENDING' | 'RETRYING'; ageMs: number; afterId: string; limit: number },
): Promise<LeftRow[]> {
  const { name, targetColumn } = RESULT_TABLES[type]
  // The few that are RETRYING have an index of their own.
  const few = sql`campaign_promotion_exception e
    join lateral (select * from ${sql.table(name)} where id = e.gift_id limit 1) r on true
    where e.type = ${type} and e.process_status = 'RETRYING' and ${ofPromotion(id, 'e.promotion_id')}
      and e.gift_id > ${page.afterId}::bigint`
  const [rowsOf, order] =
    page.status === 'RETRYING'
      ? [few, inRowOrder('asc', 'e.gift_id', 'e.promotion_id')]
      : [
          sql`${sql.table(name)} r where ${ofPromotion(id, 'r.promotion_id')}`,
          inRowOrder('asc', 'r.id', 'r.promotion_id'),
        ]
  const { rows } = await sql<LeftRow>`
    select r.id, ${sql.ref(`r.${targetColumn}`)} as "targetId", r.partition_key as "partitionKey", r.message, r.attempts
    from ${rowsOf} and r.id > ${page.afterId}::bigint and r.enqueued
      and r.process_status = ${page.status} and r.updated_at < now() - ${page.ageMs}::float8 * interval '1 millisecond'
    order by ${order} limit ${page.limit}`.execute(kysely)
  return rows
}
