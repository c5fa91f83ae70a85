import { type Kysely, type RawBuilder, sql } from 'kysely'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import type { ProcessStatus } from './process-status.ts'
import { RESULT_TABLES } from './result-table.ts'

type PromotionRef = Pick<Promotion, 'id' | 'type'>

/** A gift on the list of those to check. `checks` = how often the Money API was asked in vain. */
export interface UnknownGift {
  type: PromotionType
  promotionId: string
  targetId: string
  /** As it is now; null when its row is gone. */
  status: ProcessStatus | null
  checks: number
}

/** A page of a promotion's UNKNOWN gifts, by the ids of their rows. Reads no other row. */
export async function listUnknown(
  kysely: Kysely<unknown>,
  { id, type }: PromotionRef,
  page: { afterId: string; limit: number },
): Promise<{ id: string; targetId: string }[]> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ id: string; targetId: string }>`
    select e.gift_id as id, r.target_id as "targetId"
    from campaign_promotion_exception e
    join lateral (select ${sql.ref(targetColumn)} as target_id from ${sql.table(name)} where id = e.gift_id limit 1) r on true
    where ${ofPromotion(id, 'e.promotion_id')} and e.process_status = 'UNKNOWN' and e.type = ${type}
      and e.gift_id > ${page.afterId}::bigint
    order by ${inRowOrder('asc', 'e.gift_id', 'e.promotion_id')} limit ${page.limit}`.execute(kysely)
  return rows
}

/** The states of those of the targets that are gifts of the promotion. */
export async function statesOf(
  kysely: Kysely<unknown>,
  { id, type }: PromotionRef,
  targetIds: readonly string[],
): Promise<Map<string, ProcessStatus>> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ targetId: string; status: ProcessStatus }>`
    select ${sql.ref(targetColumn)} as "targetId", process_status as status from ${sql.table(name)}
    where ${sql.ref(targetColumn)} = any (${[...targetIds]}::bigint[]) and promotion_id = ${id}::bigint`.execute(kysely)
  return new Map(rows.map(({ targetId, status }) => [targetId, status]))
}

/**
 * UNKNOWN → RETRYING, in the order of the target ids; of other promotions none. They stay on the list of those to check, which looks after their jobs:
 * upkeep's search for lost retries leaves out promotions that have completed.
 * @returns those that moved.
 */
export async function moveUnknownToRetrying(
  kysely: Kysely<unknown>,
  { id, type }: PromotionRef,
  targetIds: readonly string[],
  recheckMs: number,
): Promise<string[]> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const [results, target] = [sql.table(name), sql.ref(`r.${targetColumn}`)]
  const { rows } = await sql<{ targetId: string }>`
    with locked as materialized (
      select r.id from ${results} r
      where ${target} = any (${[...targetIds]}::bigint[]) and r.promotion_id = ${id}::bigint and r.process_status = 'UNKNOWN'
      order by ${target} for no key update
    ), changed as (
      update ${results} r set process_status = 'RETRYING', updated_at = now()
      from locked l where r.id = l.id and r.process_status = 'UNKNOWN'
      returning ${target} as target_id, r.promotion_id
    ), listed as (
      insert into campaign_promotion_unknown_check as c (type, target_id, promotion_id, next_check_at)
      select ${type}, target_id, promotion_id, now() + ${recheckMs}::float8 * interval '1 millisecond'
      from changed order by target_id
      on conflict (type, target_id) do update set next_check_at = excluded.next_check_at
    )
    select target_id as "targetId" from changed`.execute(kysely)
  return rows.map(({ targetId }) => targetId)
}

/**
 * The gifts whose turn has come, the longest overdue first, with their states as they are now. Those of a type that this
 * version does not know are left to a process that does: to this one their rows would seem gone.
 */
export async function listDueChecks(kysely: Kysely<unknown>, limit: number): Promise<UnknownGift[]> {
  const { rows } = await sql<UnknownGift>`
    select c.type, c.promotion_id as "promotionId", c.target_id as "targetId", c.checks,
      case c.type ${sql.join(PROMOTION_TYPES.map(statusOf), sql` `)} end as status
    from (select * from campaign_promotion_unknown_check
      where next_check_at <= now() and type = any (${PROMOTION_TYPES})
      order by next_check_at limit ${limit}) c
    order by c.next_check_at`.execute(kysely)
  return rows
}

/** The state of the gift that check `c` is about. */
function statusOf(type: PromotionType): RawBuilder<unknown> {
  const { name, targetColumn } = RESULT_TABLES[type]
  return sql`when ${sql.lit(type)} then
    (select process_status from ${sql.table(name)} where ${sql.ref(targetColumn)} = c.target_id)`
}

type CheckRef = Pick<UnknownGift, 'type' | 'targetId'>

/** It is settled: nothing more to ask. */
export async function forgetCheck(kysely: Kysely<unknown>, { type, targetId }: CheckRef): Promise<void> {
  await sql`
    delete from campaign_promotion_unknown_check
    where type = ${type} and target_id = ${targetId}::bigint`.execute(kysely)
}

/** Asked, and nothing new: again in `pauseMs`. */
export async function postponeCheck(
  kysely: Kysely<unknown>,
  { type, targetId, checks }: CheckRef & { checks: number },
  pauseMs: number,
): Promise<void> {
  await sql`
    update campaign_promotion_unknown_check
    set checks = ${checks}, next_check_at = now() + ${pauseMs}::float8 * interval '1 millisecond'
    where type = ${type} and target_id = ${targetId}::bigint`.execute(kysely)
}
