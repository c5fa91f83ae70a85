import { type Kysely, sql } from 'kysely'
import { promotionLock } from '#database/locks.ts'

/** Gifts that ended, and how many of them FAILED. */
export interface Ended {
  settled: number
  failed: number
}

/** One instance's counts; the first of these gifts ended so many ms ago. */
export interface Counted extends Ended {
  ageMs: number
}

/** The name that the activity log has for what no person does. */
export const SYSTEM = 'system'

const SLOT_SECONDS = 5
const SLOTS = 12
/** Old slots that one flush removes at most, whosever they are. */
const MAX_REMOVED = 1000

const THIS_SLOT = sql<string>`floor(extract(epoch from clock_timestamp()) / ${SLOT_SECONDS}::int)::bigint`

/** What all instances have counted, by the database's clock. */
export interface ErrorBudgetRepository {
  /**
   * Adds one instance's counts, and returns the sums of the last minute over all instances. What began before the
   * promotion's last start is left out.
   */
  add(counts: ReadonlyMap<string, Counted>): Promise<ReadonlyMap<string, Ended>>
  /** IN_PROGRESS → PAUSED with its reason, and the row in the activity log. False: somebody else has moved it. */
  pause(promotionId: string, reason: string): Promise<boolean>
}

export function createErrorBudgetRepository(kysely: Kysely<unknown>): ErrorBudgetRepository {
  return {
    add: counts => addCounts(kysely, counts),
    pause: async (promotionId, reason) => {
      const { rows } = await sql`
        with lock as materialized (${promotionLock(promotionId)}), paused as (
          update campaign_promotion set status = 'PAUSED', pause_reason = ${reason}
          where (select count(*) from lock) > 0 and id = ${promotionId}::bigint and status = 'IN_PROGRESS'
          returning id
        )
        insert into admin_audit (who, what, target, detail, outcome)
        select ${SYSTEM}, 'promotion.pause', id::text, jsonb_build_object('reason', ${reason}::text), 'done' from paused
        returning id`.execute(kysely)
      return rows.length > 0
    },
  }
}

async function addCounts(kysely: Kysely<unknown>, counts: ReadonlyMap<string, Counted>): Promise<Map<string, Ended>> {
  if (counts.size === 0) return new Map()
  // A statement of its own, that never waits: beside the insert it could wait for a start that waits for the insert.
  await sql`
    delete from campaign_promotion_outcome where (promotion_id, slot) in (
      select promotion_id, slot from campaign_promotion_outcome where slot <= ${THIS_SLOT} - ${SLOTS}::int
      limit ${MAX_REMOVED} for update skip locked)`.execute(kysely)
  const ended = [...counts.values()]
  const { rows } = await sql<{ id: string } & Ended>`
    with this as materialized (select ${THIS_SLOT} as slot), input as (
      select i.* from unnest(${[...counts.keys()]}::bigint[], ${ended.map(({ settled }) => settled)}::bigint[],
        ${ended.map(({ failed }) => failed)}::bigint[], ${ended.map(({ ageMs }) => ageMs)}::float8[])
        as i (id, settled, failed, age_ms) join campaign_promotion p on p.id = i.id
      where p.resumed_at is null or p.resumed_at < clock_timestamp() - make_interval(secs => i.age_ms / 1000)
    ), added as (
      insert into campaign_promotion_outcome as o (promotion_id, slot, settled, failed)
      select id, slot, settled, failed from input, this order by id
      on conflict (promotion_id, slot) do update set settled = o.settled + excluded.settled, failed = o.failed + excluded.failed
      returning promotion_id, settled, failed
    )
    select a.promotion_id as id, (a.settled + coalesce(e.settled, 0))::float8 as settled,
      (a.failed + coalesce(e.failed, 0))::float8 as failed
    from added a left join lateral (
      select sum(o.settled) as settled, sum(o.failed) as failed from campaign_promotion_outcome o, this
      where o.promotion_id = a.promotion_id and o.slot > this.slot - ${SLOTS}::int and o.slot < this.slot) e on true`.execute(
    kysely,
  )
  return new Map(rows.map(({ id, settled, failed }) => [id, { settled, failed }]))
}
