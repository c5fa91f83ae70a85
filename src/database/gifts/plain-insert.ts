import type { Kysely } from 'kysely'
import { digitsArray, joinedTexts } from '#database/array-literal.ts'
import { sharedPromotionLocks } from '#database/locks.ts'
import { PreparedStatement } from '#database/prepared.ts'
import { ACCEPTING_STATUSES, type PromotionStatus } from '#database/promotions/promotion-status.ts'
import { byGiftType, type PromotionType } from '#queues/gift-types.ts'
import { isArchived } from './archived-gifts.ts'
import type { NewGift } from './gift.ts'
import { INPUT, insertOf } from './gift-columns.ts'
import type { InsertAnswer, InsertLimits } from './insert-answer.ts'
import { RESULT_TABLES, type ResultTable } from './result-table.ts'

interface PlainAnswer {
  promotionIds: string[] | null
  statuses: PromotionStatus[] | null
  types: PromotionType[] | null
  isBounded: boolean
  count: number
  /** Those that were inserted; null when all were. */
  targetIds: string[] | null
}

const MISSING: InsertAnswer = { status: null, type: null, inserted: false, enqueued: null, over: null }

/**
 * Inserts gifts of promotions without ceilings. One promotion that has some, and nothing is inserted: undefined.
 */
export async function insertPlain(
  kysely: Kysely<unknown>,
  table: ResultTable,
  gifts: readonly NewGift[],
  { maxAmount }: InsertLimits,
): Promise<InsertAnswer[] | undefined> {
  const [answer] = await INSERT[table.type].run(kysely, parametersOf(gifts, maxAmount))
  if (answer === undefined || answer.isBounded) return undefined
  const { promotionIds, statuses, types, targetIds } = answer
  const promotions = new Map(promotionIds?.map((id, at) => [id, { status: statuses?.[at], type: types?.[at] }]))
  const inserted = answer.count === gifts.length ? undefined : new Set(targetIds)
  return gifts.map(gift => {
    const { status, type } = promotions.get(gift.promotionId) ?? {}
    if (status === undefined || type === undefined) return MISSING
    return {
      status,
      type,
      inserted: inserted === undefined || inserted.has(gift.targetId),
      enqueued: gift.wantsEntry && status === 'IN_PROGRESS',
      over: maxAmount > 0n && BigInt(gift.amount) > maxAmount ? 'over-limit' : null,
    }
  })
}

function parametersOf(gifts: readonly NewGift[], maxAmount: bigint): unknown[] {
  const messages = joinedTexts(gifts.map(({ message }) => message))
  const partitionKeys = joinedTexts(gifts.map(({ partitionKey }) => partitionKey))
  return [
    digitsArray([...new Set(gifts.map(({ promotionId }) => promotionId))]),
    String(maxAmount),
    digitsArray(gifts.map(({ promotionId }) => promotionId)),
    digitsArray(gifts.map(({ promotionSummaryId }) => promotionSummaryId)),
    digitsArray(gifts.map(({ targetId }) => targetId)),
    partitionKeys.joined,
    partitionKeys.separator,
    digitsArray(gifts.map(({ memberId }) => memberId)),
    digitsArray(gifts.map(({ amount }) => amount)),
    messages.joined,
    messages.separator,
    digitsArray(gifts.map(({ kafkaPartition }) => kafkaPartition)),
    digitsArray(gifts.map(({ kafkaOffset }) => kafkaOffset)),
    digitsArray(gifts.map(({ kafkaTimeMs = null }) => kafkaTimeMs)),
    digitsArray(gifts.map(({ asksFirst = false }) => (asksFirst ? 't' : 'f'))),
    digitsArray(gifts.map(({ wantsEntry }) => (wantsEntry ? 't' : 'f'))),
  ]
}

/** The array is joined with the promotions alone, and all of these were asked for: a plan for any number of rows. */
const INSERT = byGiftType(type => {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { columns, values } = insertOf(type, 'i', 'p.status')
  return new PreparedStatement<PlainAnswer>(`
    with locks as materialized (${sharedPromotionLocks('$1')}), promotion as materialized (
      select id, status, type, max_gift_count > 0 or max_total_amount > 0 as is_bounded from campaign_promotion
      where id = any ($1::bigint[]) and (select count(*) from locks) > 0
      order by id for share
    ), inserted as (
      insert into ${name} (${columns}) select ${values}
      from unnest($3::bigint[], $4::bigint[], $5::bigint[], string_to_array($6, $7), $8::bigint[], $9::bigint[],
          string_to_array($10, $11), $12::int[], $13::bigint[], $14::float8[], $15::boolean[], $16::boolean[])
        with ordinality as ${INPUT}
        join promotion p on p.id = i.promotion_id
      where p.type = '${type}' and p.status in (${ACCEPTING_STATUSES.map(status => `'${status}'`).join(', ')})
        and ($2::bigint = 0 or i.amount <= $2::bigint) and not exists (select from promotion where is_bounded)
        and not ${isArchived(type, 'i.target_id')}
      order by i.target_id, i.ordinal
      on conflict (${targetColumn}) do nothing
      returning ${targetColumn} as target_id
    )
    select p.*, n.* from (
      select array_agg(id::text order by id) as "promotionIds", array_agg(status order by id) as statuses,
        array_agg(type order by id) as types, coalesce(bool_or(is_bounded), false) as "isBounded"
      from promotion
    ) p, (
      select count(*)::int as count,
        case when count(*) < cardinality($5::bigint[]) then array_agg(target_id::text) end as "targetIds"
      from inserted
    ) n`)
})
