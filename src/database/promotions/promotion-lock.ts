import { type RawBuilder, sql } from 'kysely'

/*
 * A line before a promotion's row. Inserts lock the row for share, and PostgreSQL lets one sharer in beside the others
 * however long an UPDATE waits: with several listeners loading gifts, a pause or a completion would never come to it.
 * Advisory locks are granted in the order they are asked for. The row's own lock still is what excludes.
 */

const KEY_PREFIX = 'promostream promotion '

/**
 * For a CTE that is read before rows are locked; many inserts stand in it beside each other. In the order of the ids, so
 * that two who ask for several never wait for each other; and only for promotions that there are: locks are few, messages
 * may name any id.
 */
export function lineOfInserts(promotionIds: readonly string[]): RawBuilder<unknown> {
  return sql`select pg_advisory_xact_lock_shared(hashtextextended(${KEY_PREFIX} || id, 0))
    from (select id from campaign_promotion where id = any (${promotionIds}::bigint[]) order by id) asked`
}

/** For whoever changes the promotion: alone, until the transaction ends. */
export function lineOfChanges(promotionId: string): RawBuilder<unknown> {
  return sql`select pg_advisory_xact_lock(hashtextextended(${KEY_PREFIX + promotionId}, 0))`
}
