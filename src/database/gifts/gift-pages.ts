import { type Kysely, type RawBuilder, sql } from 'kysely'
import { isoTimeText } from '#database/iso-time.ts'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { GiftRecord } from './gift.ts'
import { type GiftField, giftColumns } from './gift-columns.ts'
import type { ProcessStatus } from './process-status.ts'
import { RESULT_TABLES } from './result-table.ts'

export interface GiftPage {
  gifts: GiftRecord[]
  /** Give it back for the next page; null at the end. A page may be short, or empty, and yet not the last. */
  nextCursor: string | null
}

export interface GiftQuery {
  status?: ProcessStatus | undefined
  memberId?: string | undefined
  errorCode?: string | undefined
  partitionKey?: string | undefined
  afterId: string
  limit: number
}

/** Rows that one page looks at, at most: a rare one is found over several pages, not by one long query. */
const MAX_LOOKED_AT = 10_000

interface LookedAt extends GiftRecord {
  isWanted: boolean
  /** Its number among the rows looked at, from 1. */
  place: number
  rank: string
}

/** The first look at a filtered page goes past as many rows as it wants; each next one past so many times more. */
const LOOK_GROWTH = 4

/** Gifts of a promotion in the order of their rows. */
export async function listGifts(
  kysely: Kysely<unknown>,
  promotion: Pick<Promotion, 'id' | 'type'>,
  query: GiftQuery,
): Promise<GiftPage> {
  const { memberId, errorCode, partitionKey, status } = query
  const isFiltered = [memberId, errorCode, partitionKey, status].some(wanted => wanted !== undefined)
  const gifts: GiftRecord[] = []
  let { afterId } = query
  let left = isFiltered ? MAX_LOOKED_AT : query.limit
  for (let size = query.limit; left > 0; size *= LOOK_GROWTH) {
    const page = { ...query, afterId, limit: query.limit - gifts.length }
    const look = await lookAt(kysely, promotion, page, Math.min(size, left))
    gifts.push(...look.gifts)
    left -= Math.min(size, left)
    afterId = look.nextCursor ?? afterId
    if (gifts.length === query.limit || look.nextCursor === null) return { gifts, nextCursor: look.nextCursor }
  }
  return { gifts, nextCursor: afterId }
}

/** One look past `lookedAt` rows. */
async function lookAt(
  kysely: Kysely<unknown>,
  { id, type }: Pick<Promotion, 'id' | 'type'>,
  query: GiftQuery,
  lookedAt: number,
): Promise<GiftPage> {
  const { rows } = await sql<LookedAt>`
    select * from (
      select ${sql.raw(recordColumns(type))}, ${filter(query)} as "isWanted", (row_number() over (order by r.id))::int as place,
        count(*) filter (where ${filter(query)}) over (order by r.id) as rank
      from (${source(id, type, query)} limit ${lookedAt}) r
    ) looked
    where ("isWanted" and rank <= ${query.limit}) or place = ${lookedAt} order by place`.execute(kysely)
  const gifts = rows
    .filter(({ isWanted }) => isWanted)
    .slice(0, query.limit)
    .map(row => record(row))
  if (gifts.length === query.limit) return { gifts, nextCursor: gifts.at(-1)?.id ?? null }
  // The last row that was looked at comes along, wanted or not: from there the next look goes on.
  const last = rows.at(-1)
  return { gifts, nextCursor: last?.place === lookedAt ? last.id : null }
}

/** The few that are not as they should be have an index of their own. */
function source(promotionId: string, type: PromotionType, { status, afterId }: GiftQuery): RawBuilder<unknown> {
  const table = sql.table(RESULT_TABLES[type].name)
  if (status !== 'RETRYING' && status !== 'UNKNOWN' && status !== 'FAILED') {
    return sql`select * from ${table} where ${ofPromotion(promotionId)} and id > ${afterId}::bigint
      order by ${inRowOrder()}`
  }
  return sql`
    select g.* from campaign_promotion_exception e
    join lateral (select * from ${table} where id = e.gift_id limit 1) g on true
    where ${ofPromotion(promotionId, 'e.promotion_id')} and e.process_status = ${status} and e.type = ${type}
      and e.gift_id > ${afterId}::bigint
    order by ${inRowOrder('asc', 'e.gift_id', 'e.promotion_id')}`
}

function filter({ status, memberId, errorCode, partitionKey }: GiftQuery): RawBuilder<unknown> {
  return sql`((${status ?? null}::text is null or r.process_status = ${status ?? null}::text)
    and (${memberId ?? null}::bigint is null or r.member_id = ${memberId ?? null}::bigint)
    and (${errorCode ?? null}::text is null or r.error_code = ${errorCode ?? null}::text)
    and (${partitionKey ?? null}::text is null or r.partition_key = ${partitionKey ?? null}::text))`
}

function record({ isWanted: _isWanted, place: _place, rank: _rank, ...gift }: LookedAt): GiftRecord {
  return gift
}

const RECORDED = [
  'id',
  'promotionId',
  'promotionSummaryId',
  'targetId',
  'partitionKey',
  'memberId',
  'amount',
  'processStatus',
  'moneyKey',
  'attempts',
  'errorCode',
  'errorMessage',
  'message',
  'enqueued',
  'kafkaPartition',
  'kafkaOffset',
] as const satisfies readonly GiftField[]

/** All that a {@link GiftRecord} has, of a row `r`. */
export function recordColumns(type: PromotionType): string {
  return `'${type}' as type, ${giftColumns(type, RECORDED, 'r')},
    ${isoTimeText('r.created_at')} as "createdAt", ${isoTimeText('r.updated_at')} as "updatedAt"`
}

/** The gift of a target, or undefined. */
export async function findGift(
  kysely: Kysely<unknown>,
  type: PromotionType,
  targetId: string,
): Promise<GiftRecord | undefined> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<GiftRecord>`
    select ${sql.raw(recordColumns(type))} from ${sql.table(name)} r
    where ${sql.ref(`r.${targetColumn}`)} = ${targetId}::bigint`.execute(kysely)
  return rows[0]
}
