import type { Queue } from 'bullmq'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { type PromotionQueueDeps, promotionQueue } from '#promotion/promotion-queue.ts'
import { type RetryJobData, retryJobId } from '#queues/retry.queue.ts'
import { answerOr } from '#runtime/within.ts'
import type { GiftWhereabouts } from './gift-timeline.ts'

export interface WhereaboutsDeps extends PromotionQueueDeps {
  retryQueue: Queue<RetryJobData>
}

const PAGE_SIZE = 500
/** Entries that are looked at for one gift: the stream knows no gift by its id. */
const MAX_PAGES = 6
const SEARCHED_WITHIN_MS = 1500

type Entry = Pick<GiftWhereabouts, 'entry' | 'searched'>

/** Where in Redis a gift is. A Redis that does not answer says nothing, and the page says so. */
export async function findWhereabouts(gift: GiftRecord, deps: WhereaboutsDeps): Promise<GiftWhereabouts> {
  const [found, job] = await Promise.all([
    answerOr<Entry>(findEntry(gift, deps), { searched: 'none' }, SEARCHED_WITHIN_MS),
    answerOr(findJob(gift, deps), undefined),
  ])
  return { ...found, job }
}

async function findEntry(
  { type, promotionId, message, processStatus }: GiftRecord,
  deps: WhereaboutsDeps,
): Promise<Entry> {
  if (processStatus === 'SUCCESS' || processStatus === 'FAILED') return { searched: 'none' }
  const queue = promotionQueue({ id: promotionId, type }, deps)
  let after: string | undefined
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await queue.page({ limit: PAGE_SIZE, ...(after === undefined ? {} : { after }) })
    // An entry's message is the row's, to the letter.
    const found = page.items.find(({ data }) => data?.message === message)
    if (found !== undefined) {
      const [pending] = await queue.pending({ id: found.id }).catch(() => [])
      if (pending === undefined) return { entry: { id: found.id }, searched: 'part' }
      return { entry: pending, searched: 'part' }
    }
    if (page.next === undefined) return { searched: 'all' }
    after = page.next
  }
  return { searched: 'part' }
}

async function findJob(
  { type, targetId }: GiftRecord,
  { retryQueue }: WhereaboutsDeps,
): Promise<GiftWhereabouts['job']> {
  const job = await retryQueue.getJob(retryJobId(type, targetId))
  if (job === undefined) return undefined
  const state = await job.getState()
  const dueAt = state === 'delayed' ? new Date(job.timestamp + job.delay).toISOString() : null
  return { state, dueAt, attemptsMade: job.attemptsMade, failedReason: job.failedReason ?? null }
}
