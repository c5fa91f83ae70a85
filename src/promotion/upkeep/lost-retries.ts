import type { Kysely } from 'kysely'
import { listLeftRows } from '#database/gifts/sweep-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'

const PAGE_SIZE = 500

export interface LostRetriesDeps {
  kysely: Kysely<unknown>
  retryJobs: Pick<RetryJobs, 'revive'>
  ageMs: number
  /** Without it (the process stops) no further page is begun. */
  hasTime(): boolean
}

/**
 * Gives every RETRYING row that has been left for `ageMs` a live job again: one that is gone (a wiped Redis, a lost
 * retry message) is added, one in the failed set is retried, a live one stays as it is. @returns how many had none.
 */
export async function reviveLostRetries(
  promotion: Promotion,
  { kysely, retryJobs, ageMs, hasTime }: LostRetriesDeps,
): Promise<number> {
  const { id: promotionId, type } = promotion
  let revived = 0
  for (let afterId = '0'; ; ) {
    const rows = await listLeftRows(kysely, promotion, { status: 'RETRYING', ageMs, afterId, limit: PAGE_SIZE })
    const jobs = rows.map(({ targetId, attempts }) => ({ data: { type, promotionId, targetId }, attempts }))
    if (jobs.length > 0) revived += await retryJobs.revive(jobs)
    if (rows.length < PAGE_SIZE || !hasTime()) return revived
    afterId = rows.at(-1)?.id ?? afterId
  }
}
