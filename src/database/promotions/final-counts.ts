import { type RawBuilder, sql } from 'kysely'

/**
 * A subquery with one row: `success` and `failed` gifts of a promotion, by the counters. Of a summary that several
 * promotions use, its own promotion has what is left when the others' shares are taken off. `promotionId` is any
 * expression of the query around it.
 */
export function finalCountsOf(promotionId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`select coalesce(sum(success_count), 0) as success, coalesce(sum(failed_count), 0) as failed from (
    select success_count, failed_count from campaign_promotion_summary where promotion_id = ${promotionId}
    union all
    select -x.success_count, -x.failed_count from campaign_promotion_summary s
      join campaign_promotion_summary_share x on x.summary_id = s.id where s.promotion_id = ${promotionId}
    union all
    select success_count, failed_count from campaign_promotion_summary_share where promotion_id = ${promotionId}) f`
}
