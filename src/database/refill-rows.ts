import { type Kysely, sql } from 'kysely'
import type { Promotion } from './promotions.ts'
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

/**
 * Hands up to `limit` rows that never had an entry to `enqueue`, in row order, and marks them when it has resolved.
 * The rows are locked meanwhile and skipped by others, so that two workers refill different rows. A crash between
 * `enqueue` and the commit leaves them unmarked: they get a second entry, which is harmless through the row.
 * @returns how many were handed over.
 */
export function takeUnqueuedRows(
  kysely: Kysely<unknown>,
  promotion: Pick<Promotion, 'id' | 'type'>,
  limit: number,
  enqueue: (rows: readonly RefillRow[]) => Promise<void>,
): Promise<number> {
  const results = sql.table(RESULT_TABLES[promotion.type].name)
  return kysely.transaction().execute(async transaction => {
    const { rows } = await sql<CandidateRow>`
      select id, partition_key as "partitionKey", message, process_status = 'PENDING' as pending from ${results}
      where promotion_id = ${promotion.id}::bigint and not enqueued
      order by id limit ${limit} for no key update skip locked`.execute(transaction)
    if (rows.length === 0) return 0
    const pending = rows.filter(row => row.pending)
    if (pending.length > 0) await enqueue(pending)
    await sql`
      update ${results} set enqueued = true, updated_at = now() where id = any (${rows.map(row => row.id)}::bigint[])`.execute(
      transaction,
    )
    return rows.length
  })
}
