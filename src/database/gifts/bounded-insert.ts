import { type Kysely, type RawBuilder, sql } from 'kysely'
import { sharedPromotionLocks } from '#database/locks.ts'
import { ACCEPTING_STATUSES } from '#database/promotions/promotion-status.ts'
import { isArchived } from './archived-gifts.ts'
import type { NewGift } from './gift.ts'
import { INPUT, insertOf } from './gift-columns.ts'
import type { InsertAnswer, InsertLimits } from './insert-answer.ts'
import type { ResultTable } from './result-table.ts'

function inputOf(gifts: readonly NewGift[]): RawBuilder<unknown> {
  const column = <Key extends keyof NewGift>(key: Key) => gifts.map(gift => gift[key])
  return sql`
    select * from unnest(
      ${column('promotionId')}::bigint[], ${column('promotionSummaryId')}::bigint[], ${column('targetId')}::bigint[],
      ${column('partitionKey')}::text[], ${column('memberId')}::bigint[], ${column('amount')}::bigint[],
      ${column('message')}::text[], ${column('kafkaPartition')}::int[], ${column('kafkaOffset')}::bigint[],
      ${gifts.map(({ kafkaTimeMs = null }) => kafkaTimeMs)}::float8[],
      ${gifts.map(({ asksFirst = false }) => asksFirst)}::boolean[], ${column('wantsEntry')}::boolean[]
    ) with ordinality as ${sql.raw(INPUT)}`
}

/**
 * Locks what has been taken of the ceilings of `accepted`'s promotions, and says of each new target whether it fits.
 */
function ceilingsOf(table: ResultTable): RawBuilder<unknown> {
  return sql`
    spent as materialized (
      select s.promotion_id, s.gift_count, s.total_amount from campaign_promotion_spent s
      where s.promotion_id in (select id from promotion where max_gift_count > 0 or max_total_amount > 0)
      order by s.promotion_id for update
    ), fresh as materialized (
      select promotion_id, target_id, amount, ordinal from (
        select a.*, row_number() over (partition by a.target_id order by a.ordinal) as nth
        from accepted a where a.promotion_id in (select promotion_id from spent)) a
      where nth = 1 and not exists (
        select from ${sql.table(table.name)} r where ${sql.ref(`r.${table.targetColumn}`)} = a.target_id)
    ), fitting as materialized (
      select unnest(f.target_ids) as target_id,
        unnest(campaign_promotion_fits(s.gift_count, s.total_amount, p.max_gift_count, p.max_total_amount, f.amounts)) as fits
      from spent s join promotion p on p.id = s.promotion_id join (
        select promotion_id, array_agg(target_id order by ordinal) as target_ids, array_agg(amount order by ordinal) as amounts
        from fresh group by promotion_id) f on f.promotion_id = s.promotion_id
    )`
}

/**
 * Inserts gifts of promotions that may have ceilings: checked under the lock of what has been taken of them, gift by gift in
 * their order; one that does not fit leaves its room to the next.
 */
export async function insertBounded(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  { maxAmount }: InsertLimits,
): Promise<InsertAnswer[]> {
  const target = sql.ref(table.targetColumn)
  const { columns, values } = insertOf(table.type, 'a', 'a.status')
  const promotionIds = [...new Set(gifts.map(({ promotionId }) => promotionId))]
  const isOverLimit = sql`(${String(maxAmount)}::bigint > 0 and i.amount > ${String(maxAmount)}::bigint)`
  const { rows } = await sql<InsertAnswer>`
    with input as (${inputOf(gifts)}), asked as (select ${promotionIds}::bigint[] as ids),
    locks as materialized (${sql.raw(sharedPromotionLocks('(select ids from asked)'))}), promotion as materialized (
      select id, status, type, max_gift_count, max_total_amount from campaign_promotion
      where id = any (${promotionIds}::bigint[]) and (select count(*) from locks) > 0
      order by id for share
    ), accepted as materialized (
      select i.*, p.status from input i join promotion p on p.id = i.promotion_id
      where p.type = ${table.type} and p.status = any (${[...ACCEPTING_STATUSES]}::text[]) and not ${isOverLimit}
        and not ${sql.raw(isArchived(table.type, 'i.target_id'))}
    ), ${ceilingsOf(table)}, inserted as (
      insert into ${sql.table(table.name)} (${sql.raw(columns)}) select ${sql.raw(values)}
      from accepted a left join fitting f on f.target_id = a.target_id
      where f.fits is not false
      order by a.target_id, a.ordinal
      on conflict (${target}) do nothing
      returning promotion_id, ${target} as target_id, amount, enqueued
    ), spending as (
      update campaign_promotion_spent s
      set gift_count = s.gift_count + n.gift_count, total_amount = s.total_amount + n.total_amount
      from (select promotion_id, count(*) as gift_count, sum(amount) as total_amount from inserted group by promotion_id) n
      where s.promotion_id = n.promotion_id
    )
    select p.status, p.type, n.target_id is not null as inserted, n.enqueued,
      case when ${isOverLimit} then 'over-limit' when f.fits = false then 'over-budget' end as over
    from input i left join promotion p on p.id = i.promotion_id left join inserted n on n.target_id = i.target_id
      left join fitting f on f.target_id = i.target_id
    order by i.ordinal`.execute(kysely)
  return rows
}
