import { type Kysely, type RawBuilder, sql } from 'kysely'
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

/** A lock's session that says nothing for this long is ended by PostgreSQL (from 14 on). */
const SILENT_MS = 15_000

/**
 * Runs `work` while this process alone holds the lock named `key`; false when another holds it. The lock is the
 * session's: a process that dies, loses that connection, or stands still for `silentMs`, gives it up.
 */
export function withAdvisoryLock(
  kysely: Kysely<unknown>,
  key: number,
  work: () => Promise<void>,
  silentMs = SILENT_MS,
): Promise<boolean> {
  return kysely.connection().execute(async connection => {
    const say = (statement: RawBuilder<unknown>) => statement.execute(connection).catch(() => undefined)
    const { rows } = await sql<{ locked: boolean }>`select pg_try_advisory_lock(4242, ${key}::int) as locked`.execute(
      connection,
    )
    if (rows[0]?.locked !== true) return false
    const beat = setInterval(() => void say(sql`select 1`), silentMs / 4)
    try {
      await say(sql`select set_config('idle_session_timeout', ${String(silentMs)}, false)`)
      await work()
      return true
    } finally {
      clearInterval(beat)
      await say(sql`select set_config('idle_session_timeout', '0', false)`)
      await say(sql`select pg_advisory_unlock(4242, ${key}::int)`)
    }
  })
}
