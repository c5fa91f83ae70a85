import { type Kysely, type RawBuilder, sql } from 'kysely'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { archivedColumns, archivedOf } from './archived-gifts.ts'
import type { GiftRecord } from './gift.ts'
import { giftColumns } from './gift-columns.ts'
import { RESULT_TABLES, type ResultTable } from './result-table.ts'

/** Everything here only reads: an audit may run against a replica. An empty list of promotions means all of them. */

const COMPARED = [
  'targetId',
  'promotionId',
  'memberId',
  'amount',
  'processStatus',
  'moneyKey',
  'attempts',
  'kafkaPartition',
  'kafkaOffset',
] as const

/** A result row as the audit compares it. */
export interface AuditRow extends Pick<GiftRecord, (typeof COMPARED)[number] | 'enqueued'> {
  /** PENDING for longer than asked for: since it was put on the stream, or else since it came. */
  isOld: boolean
}

export interface WrongSummary {
  summaryId: string
  promotionId: string
  successCount: string
  failedCount: string
  successRows: string
  failedRows: string
}

const inScope = (promotionIds: readonly string[], column = 'promotion_id') =>
  promotionIds.length === 0 ? sql`true` : sql`${sql.ref(column)} = any (${[...promotionIds]}::bigint[])`

export async function countAuditRows(
  kysely: Kysely<unknown>,
  type: PromotionType,
  promotionIds: readonly string[],
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select (select count(*) from ${sql.table(RESULT_TABLES[type].name)} where ${inScope(promotionIds)})
      + (select count(*) from ${archivedOf(type)} and ${inScope(promotionIds, 't.promotion_id')})::float8 as count`.execute(
    kysely,
  )
  return rows[0]?.count ?? 0
}

interface AuditRowPage {
  promotionId: string | undefined
  ageMs: number
  size: number
}

/** Pages of rows in the order of their ids, then of archived gifts; `promotionId` leaves the others out. */
export async function* auditRowPages(
  kysely: Kysely<unknown>,
  type: PromotionType,
  page: AuditRowPage,
): AsyncGenerator<readonly AuditRow[]> {
  yield* rowPages(kysely, type, page)
  yield* archivedPages(kysely, type, page)
}

async function* archivedPages(
  kysely: Kysely<unknown>,
  type: PromotionType,
  { promotionId, size }: AuditRowPage,
): AsyncGenerator<readonly AuditRow[]> {
  const [scope, place, order] =
    promotionId === undefined
      ? [sql`true`, sql`t.target_id`, sql`t.target_id`]
      : [ofPromotion(promotionId, 't.promotion_id'), sql`t.gift_id`, inRowOrder('asc', 't.gift_id', 't.promotion_id')]
  for (let after = '0'; ; ) {
    const where = sql`${place} > ${after}::bigint and ${scope} order by ${order} limit ${size}`
    const rows = await selectArchived<{ place: string }>(kysely, type, where, sql`${place} as place, `)
    if (rows.length > 0) yield rows
    if (rows.length < size) return
    after = rows.at(-1)?.place ?? after
  }
}

/** As rows that are final and on no stream. */
async function selectArchived<Extra = object>(
  kysely: Kysely<unknown>,
  type: PromotionType,
  where: RawBuilder<unknown>,
  extra = sql``,
): Promise<(AuditRow & Extra)[]> {
  const { rows } = await sql<AuditRow & Extra>`
    select ${extra}${sql.raw(archivedColumns(COMPARED))}, false as enqueued, false as "isOld"
    from ${archivedOf(type)} and ${where}`.execute(kysely)
  return rows
}

async function* rowPages(
  kysely: Kysely<unknown>,
  type: PromotionType,
  page: AuditRowPage,
): AsyncGenerator<readonly AuditRow[]> {
  const { promotionId } = page
  const [scope, order] = promotionId === undefined ? [sql`true`, sql`id`] : [ofPromotion(promotionId), inRowOrder()]
  for (let afterId = '0'; ; ) {
    const rows = await selectRows<AuditRow & { id: string }>(kysely, type, page.ageMs, {
      extra: sql`id, `,
      where: sql`id > ${afterId}::bigint and ${scope} order by ${order} limit ${page.size}`,
    })
    if (rows.length > 0) yield rows
    if (rows.length < page.size) return
    afterId = rows.at(-1)?.id ?? afterId
  }
}

/** The rows of some targets as they are now, archived ones too. */
export async function findAuditRows(
  kysely: Kysely<unknown>,
  type: PromotionType,
  targetIds: readonly string[],
  ageMs: number,
): Promise<AuditRow[]> {
  const target = sql.ref(RESULT_TABLES[type].targetColumn)
  const wanted = sql`any (${[...targetIds]}::bigint[])`
  const rows = await selectRows<AuditRow>(kysely, type, ageMs, { extra: sql``, where: sql`${target} = ${wanted}` })
  if (rows.length === targetIds.length) return rows
  return [...rows, ...(await selectArchived(kysely, type, sql`t.target_id = ${wanted}`))]
}

async function selectRows<Row>(
  kysely: Kysely<unknown>,
  type: PromotionType,
  ageMs: number,
  { extra, where }: { extra: RawBuilder<unknown>; where: RawBuilder<unknown> },
): Promise<Row[]> {
  const { rows } = await sql<Row>`
    select ${extra}${sql.raw(giftColumns(type, [...COMPARED, 'enqueued']))},
      process_status = 'PENDING' and case when enqueued then updated_at else created_at end
        < now() - ${ageMs}::float8 * interval '1 millisecond' as "isOld"
    from ${sql.table(RESULT_TABLES[type].name)} where ${where}`.execute(kysely)
  return rows
}

export interface SkippedPlace {
  topic: string
  partition: number
  offset: string
  content: string
}

export async function listAuditPromotions(
  kysely: Kysely<unknown>,
  promotionIds: readonly string[],
): Promise<{ id: string; type: PromotionType; status: PromotionStatus }[]> {
  const { rows } = await sql<{ id: string; type: PromotionType; status: PromotionStatus }>`
    select id, type, status from campaign_promotion where ${inScope(promotionIds, 'id')} order by id`.execute(kysely)
  return rows
}

/** Pages of where skipped messages stood in Kafka, and the SHA-256 of what they said, in hex. */
export async function* skippedOffsetPages(
  kysely: Kysely<unknown>,
  size: number,
): AsyncGenerator<readonly SkippedPlace[]> {
  let after: SkippedPlace = { topic: '', partition: -1, offset: '-1', content: '' }
  for (;;) {
    const { rows } = await sql<SkippedPlace>`
      select topic, partition, "offset", content_hash as content from campaign_promotion_skipped
      where (topic, partition, "offset", content_hash)
        > (${after.topic}, ${after.partition}::int, ${after.offset}::bigint, ${after.content})
      order by topic, partition, "offset", content_hash limit ${size}`.execute(kysely)
    if (rows.length > 0) yield rows
    if (rows.length < size) return
    after = rows.at(-1) ?? after
  }
}

/**
 * Summaries whose counters are not what their rows say, each look in one snapshot: counters move in the transaction of
 * their rows. Of promotions that are named only their own rows are read; a summary that looks wrong by them alone may be
 * shared with other promotions, and is counted over all rows before it is called wrong.
 * @returns the first `limit`, and how many there are.
 */
export async function findWrongSummaries(
  kysely: Kysely<unknown>,
  promotionIds: readonly string[],
  limit: number,
): Promise<WrongSummaries> {
  if (promotionIds.length === 0) return compareSummaries(kysely, sql`true`, sql`true`, limit)
  const own = sql`${inScope(promotionIds)} or id in (select id from counted)`
  const { summaries } = await compareSummaries(kysely, inScope(promotionIds), own, MAX_SUSPECTS)
  if (summaries.length === 0) return { count: 0, summaries }
  const suspects = sql`any (${summaries.map(({ summaryId }) => summaryId)}::bigint[])`
  return compareSummaries(kysely, sql`promotion_summary_id = ${suspects}`, sql`id = ${suspects}`, limit)
}

const MAX_SUSPECTS = 10_000

export interface WrongSummaries {
  count: number
  summaries: WrongSummary[]
}

async function compareSummaries(
  kysely: Kysely<unknown>,
  ofRows: RawBuilder<unknown>,
  ofSummaries: RawBuilder<unknown>,
  limit: number,
): Promise<WrongSummaries> {
  const counted = ({ name, type }: ResultTable) => sql`
    select promotion_summary_id as id, min(promotion_id) as promotion_id,
      count(*) filter (where process_status = 'SUCCESS') as success,
      count(*) filter (where process_status = 'FAILED') as failed
    from (
      select promotion_id, promotion_summary_id, process_status from ${sql.table(name)} where ${ofRows}
      union all
      select promotion_id, promotion_summary_id, process_status from ${archivedOf(type)} and ${ofRows}) g
    group by promotion_summary_id`
  const { rows } = await sql<WrongSummary & { count: number }>`
    with counted as materialized (
      select id, min(promotion_id) as promotion_id, sum(success) as success, sum(failed) as failed
      from (${sql.join(Object.values(RESULT_TABLES).map(counted), sql` union all `)}) c group by id
    ), compared as (
      select coalesce(c.id, s.id) as id, coalesce(s.promotion_id, c.promotion_id) as promotion_id,
        coalesce(s.success_count, 0) as success_count, coalesce(s.failed_count, 0) as failed_count,
        coalesce(c.success, 0) as success, coalesce(c.failed, 0) as failed
      from counted c full join (select * from campaign_promotion_summary where ${ofSummaries}) s on s.id = c.id
    )
    select id::text as "summaryId", promotion_id::text as "promotionId", success_count::text as "successCount",
      failed_count::text as "failedCount", success::text as "successRows", failed::text as "failedRows",
      (count(*) over ())::float8 as count
    from compared where success_count <> success or failed_count <> failed order by id limit ${limit}`.execute(kysely)
  return { count: rows[0]?.count ?? 0, summaries: rows.map(({ count: _, ...summary }) => summary) }
}
