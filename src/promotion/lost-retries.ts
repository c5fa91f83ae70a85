import type { Kysely } from 'kysely'
import type { Promotion } from '#database/promotions.ts'
import { listLeftRows } from '#database/sweep-rows.ts'
import type { RetryJobs } from './retry-jobs.ts'

const PAGE_SIZE = 500

/**
 * Gives every RETRYING row that has been left for `ageMs` a live job again: one that is gone (a wiped Redis, a lost
 * retry message) is added, one in the failed set is retried, a live one stays as it is. @returns how many had none.
 */
export async function reviveLostRetries(
  promotion: Promotion,
  { kysely, retryJobs, ageMs }: { kysely: Kysely<unknown>; retryJobs: Pick<RetryJobs, 'revive'>; ageMs: number },
): Promise<number> {
  const { id: promotionId, type } = promotion
  let revived = 0
  for (let afterId = '0'; ; ) {
    const rows = await listLeftRows(kysely, promotion, { status: 'RETRYING', ageMs, afterId, limit: PAGE_SIZE })
    const jobs = rows.map(({ targetId, attempts }) => ({ data: { type, promotionId, targetId }, attempts }))
    if (jobs.length > 0) revived += await retryJobs.revive(jobs)
    if (rows.length < PAGE_SIZE) return revived
    afterId = rows.at(-1)?.id ?? afterId
  }
}
