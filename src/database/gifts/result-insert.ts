import { type Kysely, type RawBuilder, sql } from 'kysely'
import { sharedPromotionLocks } from '#database/locks.ts'
import { ACCEPTING_STATUSES, type PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { InsertOutcome, NewGift, SkipReason } from './gift.ts'
import type { ResultTable } from './result-table.ts'

interface InsertAnswer {
  ordinal: number
  status: PromotionStatus | null
  type: PromotionType | null
  inserted: boolean
  enqueued: boolean | null
  over: 'over-limit' | 'over-budget' | null
}

/** What holds for every gift, whatever its promotion. */
export interface InsertLimits {
  /** In minor units; 0 = none. */
  maxAmount: bigint
}

export const NO_LIMITS: InsertLimits = { maxAmount: 0n }

/**
 * Inserts many gifts in one statement and one commit, in the order of their target ids.
 *
 * The promotion's status is checked in the same statement, under a share lock that an UPDATE of the promotion waits
 * for: an insert and a completion exclude each other. So are its ceilings, under the lock of what has been taken of them,
 * gift by gift in their order: one that does not fit leaves its room to the next. A gift is a duplicate only by its
 * target's unique key.
 */
export async function insertGifts(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  limits: InsertLimits = NO_LIMITS,
): Promise<InsertOutcome[]> {
  const answers = await runInsert(kysely, table, gifts, limits)
  const seen = new Set<string>()
  const outcomes = new Map<number, InsertOutcome>()
  const unresolved: number[] = []
  for (const answer of answers) {
    const index = answer.ordinal - 1
    const { targetId } = gifts[index] as NewGift
    const couldBe = answer.inserted && skipReason(answer, table) === undefined
    // Two gifts of one batch with one target: the first that could be is the row, the other must be compared with it.
    if (couldBe && !seen.has(targetId)) {
      seen.add(targetId)
      outcomes.set(index, {
        kind: 'inserted',
        promotionStatus: answer.status as PromotionStatus,
        enqueued: answer.enqueued === true,
      })
    } else unresolved.push(index)
  }
  await resolveOthers(kysely, table, gifts, { answers, unresolved, outcomes })
  return gifts.map((_gift, index) => outcomes.get(index) as InsertOutcome)
}

function inputOf(gifts: readonly NewGift[]): RawBuilder<unknown> {
  const column = <Key extends keyof NewGift>(key: Key) => gifts.map(gift => gift[key])
  return sql`
    select * from unnest(
      ${column('promotionId')}::bigint[], ${column('promotionSummaryId')}::bigint[], ${column('targetId')}::bigint[],
      ${column('partitionKey')}::text[], ${column('memberId')}::bigint[], ${column('amount')}::bigint[],
      ${column('message')}::text[], ${column('kafkaPartition')}::int[], ${column('kafkaOffset')}::bigint[],
      ${gifts.map(({ kafkaTimeMs = null }) => kafkaTimeMs)}::float8[],
      ${gifts.map(({ asksFirst = false }) => asksFirst)}::boolean[], ${column('wantsEntry')}::boolean[]
    ) with ordinality as i (promotion_id, promotion_summary_id, target_id, partition_key, member_id, amount,
      message, kafka_partition, kafka_offset, kafka_time_ms, asks_first, wants_entry, ordinal)`
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

async function runInsert(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  { maxAmount }: InsertLimits,
): Promise<InsertAnswer[]> {
  const target = sql.ref(table.targetColumn)
  const promotionIds = [...new Set(gifts.map(({ promotionId }) => promotionId))]
  const isOverLimit = sql`(${String(maxAmount)}::bigint > 0 and i.amount > ${String(maxAmount)}::bigint)`
  const { rows } = await sql<InsertAnswer>`
    with input as (${inputOf(gifts)}), locks as materialized (${sharedPromotionLocks(promotionIds)}), promotion as materialized (
      select id, status, type, max_gift_count, max_total_amount from campaign_promotion
      where id = any (${promotionIds}::bigint[]) and (select count(*) from locks) > 0
      order by id for share
    ), accepted as materialized (
      select i.*, p.status from input i join promotion p on p.id = i.promotion_id
      where p.type = ${table.type} and p.status = any (${[...ACCEPTING_STATUSES]}::text[]) and not ${isOverLimit}
    ), ${ceilingsOf(table)}, inserted as (
      insert into ${sql.table(table.name)} (promotion_id, promotion_summary_id, ${target}, partition_key, member_id,
        amount, message, kafka_partition, kafka_offset, kafka_time, ask_first, enqueued)
      select a.promotion_id, a.promotion_summary_id, a.target_id, a.partition_key, a.member_id,
        a.amount, a.message, a.kafka_partition, a.kafka_offset, to_timestamp(a.kafka_time_ms / 1000), a.asks_first,
        a.wants_entry and a.status = 'IN_PROGRESS'
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
    select i.ordinal::int as ordinal, p.status, p.type, n.target_id is not null as inserted, n.enqueued,
      case when ${isOverLimit} then 'over-limit' when f.fits = false then 'over-budget' end as over
    from input i left join promotion p on p.id = i.promotion_id left join inserted n on n.target_id = i.target_id
      left join fitting f on f.target_id = i.target_id
    order by i.ordinal`.execute(kysely)
  return rows
}

interface Unresolved {
  answers: readonly InsertAnswer[]
  unresolved: readonly number[]
  outcomes: Map<number, InsertOutcome>
}

/** Tells duplicates, conflicts and skipped ones apart: by the row that holds the target, then by the promotion. */
async function resolveOthers(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  { answers, unresolved, outcomes }: Unresolved,
): Promise<void> {
  if (unresolved.length === 0) return
  const target = sql.ref(table.targetColumn)
  const targetIds = unresolved.map(index => (gifts[index] as NewGift).targetId)
  const { rows } = await sql<Pick<NewGift, 'targetId' | 'promotionId' | 'memberId' | 'amount'>>`
    select ${target} as "targetId", promotion_id as "promotionId", member_id as "memberId", amount
    from ${sql.table(table.name)} where ${target} = any (${targetIds}::bigint[])`.execute(kysely)
  const holders = new Map(rows.map(row => [row.targetId, row]))
  for (const index of unresolved) {
    const gift = gifts[index] as NewGift
    const answer = answers[index] as InsertAnswer
    outcomes.set(index, judge(gift, holders.get(gift.targetId), skipReason(answer, table)))
  }
}

/** A message delivered again is a duplicate even when its promotion has ended since: its row is its account. */
function judge(
  gift: NewGift,
  holder: Pick<NewGift, 'promotionId' | 'memberId' | 'amount'> | undefined,
  reason: SkipReason | undefined,
): InsertOutcome {
  const isSame =
    holder?.promotionId === gift.promotionId && holder.memberId === gift.memberId && holder.amount === gift.amount
  if (isSame) return { kind: 'duplicate' }
  if (reason !== undefined) return { kind: 'skipped', reason }
  if (holder !== undefined) return { kind: 'target-conflict' }
  throw new Error(`insert of ${gift.targetId} met a row that is gone`)
}

function skipReason(answer: InsertAnswer, table: ResultTable): SkipReason | undefined {
  if (answer.status === null) return 'promotion-not-found'
  if (answer.type !== table.type) return 'promotion-type-mismatch'
  if (answer.status === 'COMPLETED') return 'promotion-completed'
  if (answer.status === 'STOPPED') return 'promotion-stopped'
  return answer.over ?? undefined
}
