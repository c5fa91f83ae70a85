import { type Kysely, sql } from 'kysely'
import { isoTime } from '#database/iso-time.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { ProcessStatus } from './process-status.ts'

/** One attempt of a gift, and what the row became by it. `at` is ISO 8601, UTC. */
export interface AttemptRecord {
  /** POSTs counted by then. */
  attempt: number
  at: string
  processStatus: ProcessStatus
  errorCode: string | null
  errorMessage: string | null
}

/** The last 50 attempts of a gift, in order; none of one that succeeded at once, whose row says it all. */
export async function listAttempts(
  kysely: Kysely<unknown>,
  type: PromotionType,
  targetId: string,
): Promise<AttemptRecord[]> {
  const { rows } = await sql<AttemptRecord>`
    select attempt, ${isoTime('at')} as at, process_status as "processStatus", error_code as "errorCode",
      error_message as "errorMessage"
    from campaign_promotion_attempt where type = ${type} and target_id = ${targetId}::bigint
    order by attempt`.execute(kysely)
  return rows
}
