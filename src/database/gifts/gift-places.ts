import { type Kysely, sql } from 'kysely'
import { PreparedStatement } from '#database/prepared.ts'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { byGiftType } from '#queues/gift-types.ts'
import type { GiftRecord } from './gift.ts'
import { recordColumns } from './gift-pages.ts'
import type { ProcessStatus } from './process-status.ts'
import { RESULT_TABLES } from './result-table.ts'

export interface PlaceQuery {
  /** What a board shows together. */
  statuses: readonly ProcessStatus[]
  /** Gifts before the first. */
  offset: number
  limit: number
}

/** A page that begins further back is empty: a board asks again every few seconds, and each skipped gift is read again. */
const MAX_OFFSET = 50_000

/** Rows that a look goes past beyond those it was asked to skip. */
const MAX_LOOKED_AT = 10_000

/**
 * Gifts by place, for boards that page by number. Each state is walked from the end where its gifts are: those that are
 * done from the first row, those that wait from the last, the others by their own table. The first pages are cheap
 * whatever lies behind; a look is bounded, so that a page far behind may stay empty.
 */
export async function listGiftsByPlace(
  kysely: Kysely<unknown>,
  { id, type }: Pick<Promotion, 'id' | 'type'>,
  { statuses, offset, limit }: PlaceQuery,
): Promise<GiftRecord[]> {
  if (offset > MAX_OFFSET) return []
  if (statuses.every(status => status !== 'PENDING' && status !== 'SUCCESS')) {
    return EXCEPTIONS[type].run(kysely, [id, statuses, limit, offset])
  }
  const table = sql.table(RESULT_TABLES[type].name)
  const isDone = statuses.includes('SUCCESS') && !statuses.includes('PENDING')
  const wanted = sql`array[${sql.join(statuses.map(status => sql.lit(status)))}]::text[]`
  const order = inRowOrder(isDone ? 'asc' : 'desc')
  const source = sql`select looked.*, row_number() over (order by ${order}) as place
    from (select * from ${table} where ${ofPromotion(id)}
      order by ${order} limit ${offset * 2 + limit + MAX_LOOKED_AT}) looked
    where process_status = any (${wanted})
    order by ${order} limit ${limit} offset ${offset}`
  const { rows } =
    await sql<GiftRecord>`select ${sql.raw(recordColumns(type))} from (${source}) r order by r.place`.execute(kysely)
  return rows
}

/** Those that are not as they should be have an index of their own. Boards and pages ask it again and again. */
const EXCEPTIONS = byGiftType(
  type =>
    new PreparedStatement<GiftRecord>(`
  select ${recordColumns(type)} from (
    select g.*, row_number() over (order by e.process_status desc, e.gift_id desc) as place
    from (select gift_id, process_status from campaign_promotion_exception
      where promotion_id between $1::bigint and $1::bigint and process_status = any ($2::text[]) and type = '${type}'
      order by promotion_id desc, process_status desc, gift_id desc limit $3::int offset $4::int) e
    join lateral (select * from ${RESULT_TABLES[type].name} where id = e.gift_id limit 1) g on true
  ) r order by r.place`),
)

/** Gifts of the targets that are given, as far as they exist. */
export async function listGiftsOf(
  kysely: Kysely<unknown>,
  type: Promotion['type'],
  targetIds: readonly string[],
): Promise<GiftRecord[]> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<GiftRecord>`
    select ${sql.raw(recordColumns(type))} from ${sql.table(name)} r
    where ${sql.ref(`r.${targetColumn}`)} = any (${[...targetIds]}::bigint[]) order by r.id`.execute(kysely)
  return rows
}
