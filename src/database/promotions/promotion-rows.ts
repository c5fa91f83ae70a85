import { type RawBuilder, sql } from 'kysely'

/*
 * Rows of one promotion in the order of their ids. With `promotion_id = X order by id limit n` PostgreSQL believes that
 * the primary key is the cheaper way, and walks through all other promotions' rows to the first that fits. A range over
 * one value, ordered by both columns, is answered by the index on both and nothing else.
 */

/** The condition; `column` as it is called in the query. */
export function ofPromotion(promotionId: string, column = 'promotion_id'): RawBuilder<unknown> {
  return sql`${sql.ref(column)} between ${promotionId}::bigint and ${promotionId}::bigint`
}

/** What goes with {@link ofPromotion} after `order by`. */
export function inRowOrder(direction: 'asc' | 'desc' = 'asc', id = 'id', column = 'promotion_id'): RawBuilder<unknown> {
  const way = direction === 'asc' ? sql`asc` : sql`desc`
  return sql`${sql.ref(column)} ${way}, ${sql.ref(id)} ${way}`
}
