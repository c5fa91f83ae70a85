import { type Kysely, sql } from 'kysely'
import { PreparedStatement } from '#database/prepared.ts'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { PROCESS_STATUSES, type ProcessStatus } from './process-status.ts'
import { RESULT_TABLES } from './result-table.ts'

/** Gifts of one state: how many, and what they come to in minor units, as exact digits. */
export interface GiftSum {
  count: number
  amount: string
}

export type GiftSums = Record<ProcessStatus, GiftSum>

/** Rows of one statement: it stays far below the time limit of a statement. */
const STEP_ROWS = 50_000

interface StepRow {
  status: ProcessStatus
  count: number
  amount: string
  lastId: string
}

/** Counts and amounts of a promotion by state, row by row in steps; `onRows` is told how many were looked at. */
export async function sumGifts(
  kysely: Kysely<unknown>,
  { id, type }: Pick<Promotion, 'id' | 'type'>,
  onRows: (rows: number) => void,
): Promise<GiftSums> {
  const sums = Object.fromEntries(PROCESS_STATUSES.map(status => [status, { count: 0, amount: '0' }])) as GiftSums
  const table = sql.table(RESULT_TABLES[type].name)
  for (let afterId = '0'; ; ) {
    const { rows } = await sql<StepRow>`
      select process_status as status, count(*)::float8 as count, sum(amount)::text as amount, max(id)::text as "lastId"
      from (select id, process_status, amount from ${table}
        where ${ofPromotion(id)} and id > ${afterId}::bigint order by ${inRowOrder()} limit ${STEP_ROWS}) step
      group by process_status`.execute(kysely)
    let seen = 0
    for (const { status, count, amount, lastId } of rows) {
      const sum = sums[status]
      sums[status] = { count: sum.count + count, amount: String(BigInt(sum.amount) + BigInt(amount)) }
      seen += count
      if (BigInt(lastId) > BigInt(afterId)) afterId = lastId
    }
    onRows(seen)
    if (seen < STEP_ROWS) return sums
  }
}

const SKIPPED = new PreparedStatement<{ reason: string; count: number }>(`
  select reason, count(*)::float8 as count from campaign_promotion_skipped
  where promotion_id = $1::bigint group by reason order by reason`)

/** Messages of a promotion that it did not take, by reason. */
export async function countSkipped(kysely: Kysely<unknown>, promotionId: string): Promise<Record<string, number>> {
  const rows = await SKIPPED.run(kysely, [promotionId])
  return Object.fromEntries(rows.map(({ reason, count }) => [reason, count]))
}
