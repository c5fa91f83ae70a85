import { type Kysely, sql } from 'kysely'
import type { PromotionType } from '#queues/promotion-type.ts'
import type { InsertOutcome, NewGift, SkipReason } from './gift.ts'
import { lineOfInserts } from './promotion-line.ts'
import { ACCEPTING_STATUSES, type PromotionStatus } from './promotion-status.ts'
import type { ResultTable } from './result-table.ts'

interface InsertAnswer {
  ordinal: number
  status: PromotionStatus | null
  type: PromotionType | null
  inserted: boolean
  enqueued: boolean | null
}

/**
 * Inserts many gifts in one statement and one commit, in the order of their target ids.
 *
 * The promotion's status is checked in the same statement, under a share lock that an UPDATE of the promotion waits
 * for: an insert and a completion exclude each other. A gift is a duplicate only by its target's unique key.
 */
export async function insertGifts(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
): Promise<InsertOutcome[]> {
  const answers = await runInsert(kysely, table, gifts)
  const seen = new Set<string>()
  const outcomes = new Map<number, InsertOutcome>()
  const unresolved: number[] = []
  for (const answer of answers) {
    const index = answer.ordinal - 1
    const { targetId } = gifts[index] as NewGift
    // Two gifts of one batch with one target: the first that could be is the row, the other must be compared with it.
    if (answer.inserted && skipReason(answer, table) === undefined && !seen.has(targetId)) {
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

async function runInsert(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
): Promise<InsertAnswer[]> {
  const column = <Key extends keyof NewGift>(key: Key) => gifts.map(gift => gift[key])
  const target = sql.ref(table.targetColumn)
  const promotionIds = [...new Set(column('promotionId'))]
  const { rows } = await sql<InsertAnswer>`
    with input as (
      select * from unnest(
        ${column('promotionId')}::bigint[], ${column('promotionSummaryId')}::bigint[], ${column('targetId')}::bigint[],
        ${column('partitionKey')}::text[], ${column('memberId')}::bigint[], ${column('amount')}::bigint[],
        ${column('message')}::text[], ${column('kafkaPartition')}::int[], ${column('kafkaOffset')}::bigint[],
        ${column('wantsEntry')}::boolean[]
      ) with ordinality as i (promotion_id, promotion_summary_id, target_id, partition_key, member_id, amount,
        message, kafka_partition, kafka_offset, wants_entry, ordinal)
    ), line as materialized (${lineOfInserts(promotionIds)}), promotion as materialized (
      select id, status, type from campaign_promotion
      where id = any (${promotionIds}::bigint[]) and (select count(*) from line) > 0
      order by id for share
    ), inserted as (
      insert into ${sql.table(table.name)} (promotion_id, promotion_summary_id, ${target}, partition_key, member_id,
        amount, message, kafka_partition, kafka_offset, enqueued)
      select i.promotion_id, i.promotion_summary_id, i.target_id, i.partition_key, i.member_id,
        i.amount, i.message, i.kafka_partition, i.kafka_offset, i.wants_entry and p.status = 'IN_PROGRESS'
      from input i join promotion p on p.id = i.promotion_id
      where p.type = ${table.type} and p.status = any (${[...ACCEPTING_STATUSES]}::text[])
      order by i.target_id, i.ordinal
      on conflict (${target}) do nothing
      returning ${target} as target_id, enqueued
    )
    select i.ordinal::int as ordinal, p.status, p.type, n.target_id is not null as inserted, n.enqueued
    from input i left join promotion p on p.id = i.promotion_id left join inserted n on n.target_id = i.target_id
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
    outcomes.set(index, judge(gift, holders.get(gift.targetId), skipReason(answers[index] as InsertAnswer, table)))
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
  return undefined
}
