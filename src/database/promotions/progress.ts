import { type Kysely, sql } from 'kysely'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import { isoTime } from '#database/iso-time.ts'
import { finalCountsOf } from './final-counts.ts'
import type { Promotion } from './promotions.ts'

/** A promotion and where its gifts stand. PENDING is what is left of the rows; nothing is counted row by row. */
export interface PromotionProgress extends Promotion {
  /** Rows that exist. */
  rows: number
  gifts: Record<ProcessStatus, number>
}

/** Of the ended ones those with UNKNOWN gifts, then the latest, are enough to watch; the list pages through all. */
const MAX_WATCHED = 200

/** How many gifts of these promotions are still to be paid from their streams, by id: what is RETRYING comes by another way. */
export async function readGiftsLeft(kysely: Kysely<unknown>, ids: readonly string[]): Promise<Map<string, number>> {
  const promotions = await readProgress(kysely, { ids })
  return new Map(
    promotions.map(({ id, totalCount, rows, gifts }) => [id, gifts.PENDING + Math.max(0, totalCount - rows)]),
  )
}

type Which = 'watched' | { id: string } | { ids: readonly string[] } | { afterId: string; limit: number }

interface ProgressRow extends Promotion {
  rows: number
  /** SUCCESS and FAILED rows that were archived: the summaries count them still. */
  removedFinal: number
  success: number
  failed: number
  retrying: number
  unknown: number
}

/**
 * Progress of promotions in one statement that reads counters: those that are going on and a part of the others, some by
 * their ids, or a page of all. Its cost grows with gifts that are RETRYING or UNKNOWN, not with those that are done.
 */
export async function readProgress(kysely: Kysely<unknown>, which: Which): Promise<PromotionProgress[]> {
  const { rows } = await sql<ProgressRow>`
    select p.id, p.name, p.type, p.status, coalesce(p.total_count, 0)::float8 as "totalCount",
      ${isoTime('p.started_at')} as "startedAt", ${isoTime('p.finished_at')} as "finishedAt",
      p.consumers_per_instance as "consumersPerInstance", p.max_gift_count as "maxGiftCount",
      p.max_total_amount as "maxTotalAmount", ${isoTime('p.deadline_at')} as "deadlineAt", p.canary_gifts as "canaryGifts", p.canary_confirmed as "canaryConfirmed", p.weight, case when p.status = 'PAUSED' then p.pause_reason end as "pauseReason",
      coalesce(t.inserted, 0)::float8 as rows, coalesce(t.removed_final, 0)::float8 as "removedFinal",
      coalesce(s.success, 0)::float8 as success, coalesce(s.failed, 0)::float8 as failed, e.retrying::float8 as retrying, e.unknown::float8 as unknown
    from (${selection(which)}) p
    left join lateral (${finalCountsOf(sql`p.id`)}) s on true
    left join lateral (select sum(inserted) as inserted, sum(removed_final) as removed_final
      from campaign_promotion_tally where promotion_id = p.id) t on true
    left join lateral (select count(*) filter (where process_status = 'RETRYING') as retrying,
        count(*) filter (where process_status = 'UNKNOWN') as unknown
      from campaign_promotion_exception
      where promotion_id = p.id and process_status in ('RETRYING', 'UNKNOWN')) e on true
    order by p.place`.execute(kysely)
  return rows.map(toProgress)
}

function selection(which: Which) {
  if (which === 'watched') {
    const latest = sql`status = 'READY', coalesce(started_at, created_at) desc, id desc`
    const isEnded = sql`status in ('COMPLETED', 'STOPPED')`
    return sql`select *, row_number() over (order by ${isEnded}, ${latest}) as place
      from (select * from campaign_promotion c order by ${isEnded} and not exists (select from campaign_promotion_exception
        where promotion_id = c.id and process_status = 'UNKNOWN'), status = 'READY', ${isEnded}, ${latest} limit ${MAX_WATCHED}) w`
  }
  if ('ids' in which)
    return sql`select *, id as place from campaign_promotion where id = any (${[...which.ids]}::bigint[])`
  if ('id' in which) return sql`select *, 1 as place from campaign_promotion where id = ${which.id}::bigint`
  return sql`select *, id as place from campaign_promotion where id > ${which.afterId}::bigint order by id limit ${which.limit}`
}

function toProgress({
  success,
  failed,
  retrying,
  unknown,
  removedFinal,
  ...promotion
}: ProgressRow): PromotionProgress {
  const pending = Math.max(0, promotion.rows + removedFinal - success - failed - retrying - unknown)
  const gifts = { PENDING: pending, RETRYING: retrying, SUCCESS: success, FAILED: failed, UNKNOWN: unknown }
  return { ...promotion, gifts }
}
