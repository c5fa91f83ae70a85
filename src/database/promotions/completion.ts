import { type Kysely, sql } from 'kysely'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { isoTime } from '#database/iso-time.ts'
import { promotionLock } from '#database/locks.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { finalCountsOf } from './final-counts.ts'
import { inRowOrder, ofPromotion } from './promotion-rows.ts'
import type { Promotion } from './promotions.ts'

/** What the completed event tells. */
export interface CompletedPromotion {
  promotionId: string
  type: PromotionType
  totalCount: number
  success: number
  failed: number
  unknown: number
  /** ISO 8601, UTC. */
  finishedAt: string
}

/**
 * Counters say that every gift is final: worth a look at the rows. Reads a handful of rows, and counts none. They may be
 * wrong both ways (a summary that promotions share, a row changed by hand): the rows decide.
 */
export async function countersSayComplete(kysely: Kysely<unknown>, { id, totalCount }: Promotion): Promise<boolean> {
  const { rows } = await sql<{ complete: boolean }>`
    select t.inserted >= ${totalCount}::bigint and s.success + s.failed + e.unknown >= t.inserted and e.retrying = 0 as complete
    from (select coalesce(sum(inserted), 0) as inserted from campaign_promotion_tally where promotion_id = ${id}::bigint) t,
      (${finalCountsOf(sql`${id}::bigint`)}) s,
      (select count(*) filter (where process_status = 'UNKNOWN') as unknown,
          count(*) filter (where process_status = 'RETRYING') as retrying from campaign_promotion_exception
        where promotion_id = ${id}::bigint and process_status in ('UNKNOWN', 'RETRYING')) e`.execute(kysely)
  return rows[0]?.complete === true
}

/**
 * What {@link complete} will find, as far as it can be seen without its lock, for which inserts wait. Looks for a reason
 * against it, the cheapest first, and counts only when there is none. The backlog is mostly the last of the rows.
 */
export async function mayBeComplete(
  kysely: Kysely<unknown>,
  { id, type, totalCount }: Promotion,
  quietMs: number,
): Promise<boolean> {
  const gifts = sql`${sql.table(RESULT_TABLES[type].name)} where ${ofPromotion(id)}`
  const { rows } = await sql<{ complete: boolean }>`
    select case
      when coalesce((select sum(inserted) from campaign_promotion_tally where promotion_id = ${id}::bigint), 0)
        < ${totalCount}::bigint then false
      when (select created_at from ${gifts} order by ${inRowOrder('desc')} limit 1)
        >= clock_timestamp() - ${quietMs}::float8 * interval '1 millisecond' then false
      when (select gift_id from campaign_promotion_exception
        where ${ofPromotion(id)} and process_status = 'RETRYING' and type = ${type}
        order by ${inRowOrder('asc', 'gift_id')} limit 1) is not null then false
      when (select id from ${gifts} and process_status in ('PENDING', 'RETRYING')
        order by ${inRowOrder('desc')} limit 1) is not null then false
      else (select count(*) from ${gifts}) >= ${totalCount}::bigint end as complete`.execute(kysely)
  return rows[0]?.complete === true
}

/** Thrown to roll back; never leaves this file. */
class NotComplete extends Error {}

/**
 * IN_PROGRESS → COMPLETED, exactly once, when there are at least `total_count` rows, none of them PENDING or RETRYING,
 * and none came for `quietMs`. The row's lock keeps inserts out while the rows are counted, and after the commit no
 * insert is taken. @returns whether it was this call that completed it.
 */
export async function complete(kysely: Kysely<unknown>, promotion: Promotion, quietMs: number): Promise<boolean> {
  const { id, type } = promotion
  try {
    return await kysely.transaction().execute(async transaction => {
      await promotionLock(id).execute(transaction)
      const { rows: changed } = await sql`
        update campaign_promotion set status = 'COMPLETED', finished_at = now()
        where id = ${id}::bigint and status = 'IN_PROGRESS' and total_count > 0 returning id`.execute(transaction)
      if (changed.length === 0) return false
      const { rows } = await sql<{ complete: boolean }>`
        select count(*) >= (select total_count from campaign_promotion where id = ${id}::bigint)
          and count(*) filter (where process_status in ('PENDING', 'RETRYING')) = 0
          and max(created_at) < clock_timestamp() - ${quietMs}::float8 * interval '1 millisecond' as complete
        from ${sql.table(RESULT_TABLES[type].name)} where promotion_id = ${id}::bigint`.execute(transaction)
      if (rows[0]?.complete !== true) throw new NotComplete()
      return true
    })
  } catch (error) {
    if (error instanceof NotComplete) return false
    throw error
  }
}

/** What an explicit finish came to. `difference` = rows − `total_count`. */
export type FinishOutcome =
  | { kind: 'finished'; difference: number }
  | { kind: 'unfinished'; pending: number; retrying: number }
  | { kind: 'wrong-state' }

/** Thrown to roll back; never leaves this file. */
class Unfinished extends Error {
  readonly pending: number
  readonly retrying: number

  constructor({ pending, retrying }: { pending: number; retrying: number }) {
    super()
    this.pending = pending
    this.retrying = retrying
  }
}

/**
 * IN_PROGRESS, PAUSED or STOPPED → COMPLETED because a person says so, whatever `total_count` is: unless gifts are PENDING
 * or RETRYING. Under the same lock as {@link complete}; the difference to the total is recorded on the promotion.
 */
export async function finish(
  kysely: Kysely<unknown>,
  { id, type }: Pick<Promotion, 'id' | 'type'>,
): Promise<FinishOutcome> {
  try {
    return await kysely.transaction().execute(async transaction => {
      await promotionLock(id).execute(transaction)
      const { rows: changed } = await sql`
        update campaign_promotion set status = 'COMPLETED', finished_at = now()
        where id = ${id}::bigint and status in ('IN_PROGRESS', 'PAUSED', 'STOPPED') returning id`.execute(transaction)
      if (changed.length === 0) return { kind: 'wrong-state' }
      const { rows } = await sql<{ pending: number; retrying: number; count: number }>`
        select (count(*) filter (where process_status = 'PENDING'))::float8 as pending,
          (count(*) filter (where process_status = 'RETRYING'))::float8 as retrying, count(*)::float8 as count
        from ${sql.table(RESULT_TABLES[type].name)} where promotion_id = ${id}::bigint`.execute(transaction)
      const counts = rows[0] ?? { pending: 0, retrying: 0, count: 0 }
      if (counts.pending + counts.retrying > 0) throw new Unfinished(counts)
      const { rows: recorded } = await sql<{ difference: number }>`
        update campaign_promotion set finish_difference = ${counts.count}::bigint - coalesce(total_count, 0)
        where id = ${id}::bigint returning finish_difference::float8 as difference`.execute(transaction)
      return { kind: 'finished', difference: recorded[0]?.difference ?? 0 }
    })
  } catch (error) {
    if (error instanceof Unfinished) return { kind: 'unfinished', pending: error.pending, retrying: error.retrying }
    throw error
  }
}

type FinalCounts = Pick<CompletedPromotion, 'success' | 'failed' | 'unknown'>

/** Those completed at least `restMs` ago whose event has still to be published. */
export async function listUnannounced(
  kysely: Kysely<unknown>,
  { restMs, limit }: { restMs: number; limit: number },
): Promise<Omit<CompletedPromotion, keyof FinalCounts>[]> {
  const { rows } = await sql<Omit<CompletedPromotion, keyof FinalCounts>>`
    select id as "promotionId", type, coalesce(total_count, 0)::float8 as "totalCount", ${isoTime('finished_at')} as "finishedAt"
    from campaign_promotion where status = 'COMPLETED' and completed_event_at is null
      and finished_at < now() - ${restMs}::float8 * interval '1 millisecond'
    order by id limit ${limit}`.execute(kysely)
  return rows
}

/** Reads every row of the promotion. */
export async function countFinal(
  kysely: Kysely<unknown>,
  { promotionId, type }: Pick<CompletedPromotion, 'promotionId' | 'type'>,
): Promise<FinalCounts> {
  const { rows } = await sql<FinalCounts>`
    select (count(*) filter (where process_status = 'SUCCESS'))::float8 as success,
      (count(*) filter (where process_status = 'FAILED'))::float8 as failed,
      (count(*) filter (where process_status = 'UNKNOWN'))::float8 as unknown
    from ${sql.table(RESULT_TABLES[type].name)} where promotion_id = ${promotionId}::bigint`.execute(kysely)
  return rows[0] ?? { success: 0, failed: 0, unknown: 0 }
}

export async function markAnnounced(kysely: Kysely<unknown>, promotionId: string): Promise<void> {
  await sql`
    update campaign_promotion set completed_event_at = now() where id = ${promotionId}::bigint`.execute(kysely)
}
