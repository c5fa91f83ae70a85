import { type Kysely, sql } from 'kysely'
import { tryRefillLock } from '#database/locks.ts'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { RESULT_TABLES } from './result-table.ts'

/** What refill needs of a row to put it on the stream. */
export interface RefillRow {
  id: string
  partitionKey: string
  message: string
}

interface CandidateRow extends RefillRow {
  pending: boolean
}

/** What a batch of refill came to: `lastId` = where the next one goes on; `busy` when another process is at it. */
export type RefillOutcome = { kind: 'taken'; rows: number; limit: number; lastId: string } | { kind: 'busy' }

/**
 * Hands as many rows as there is `room` for to `enqueue`, in row order, of those that never had an entry while their
 * promotion is IN_PROGRESS, and marks those that it has added when it has resolved: the first ones, as many as it says. One process at a time, and the room is asked for under
 * that lock: two that saw the same room would fill it twice. A crash between `enqueue` and the commit leaves the rows
 * unmarked: they get a second entry, which is harmless through the row.
 * @param afterId rows up to this one are left out: what earlier batches took is not walked through again, which costs
 * much while a transaction elsewhere keeps PostgreSQL from forgetting it.
 */
export function takeUnqueuedRows(
  kysely: Kysely<unknown>,
  promotion: Pick<Promotion, 'id' | 'type'>,
  afterId: string,
  room: () => Promise<number>,
  enqueue: (rows: readonly RefillRow[]) => Promise<number>,
): Promise<RefillOutcome> {
  const results = sql.table(RESULT_TABLES[promotion.type].name)
  return kysely.transaction().execute(async transaction => {
    if (!(await tryRefillLock(transaction, promotion.id))) return { kind: 'busy' }
    const limit = await room()
    if (limit === 0) return { kind: 'taken', rows: 0, limit, lastId: afterId }
    const { rows } = await sql<CandidateRow>`
      select id, partition_key as "partitionKey", message, process_status = 'PENDING' as pending from ${results}
      where ${ofPromotion(promotion.id)} and id > ${afterId}::bigint and not enqueued
        and (select status from campaign_promotion where id = ${promotion.id}::bigint) = 'IN_PROGRESS'
      order by ${inRowOrder()} limit ${limit} for no key update skip locked`.execute(transaction)
    if (rows.length === 0) return { kind: 'taken', rows: 0, limit, lastId: afterId }
    const pending = rows.filter(row => row.pending)
    const added = pending.length > 0 ? await enqueue(pending) : 0
    const firstLeft = pending[added]
    const taken = firstLeft === undefined ? rows : rows.slice(0, rows.indexOf(firstLeft))
    await sql`
      update ${results} set enqueued = true, updated_at = now() where id = any (${taken.map(row => row.id)}::bigint[])`.execute(
      transaction,
    )
    const reached = { rows: taken.length, lastId: taken.at(-1)?.id ?? afterId }
    return { kind: 'taken', limit: firstLeft === undefined ? limit : taken.length, ...reached }
  })
}
