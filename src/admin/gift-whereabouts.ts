import type { Queue } from 'bullmq'
import type { GiftRecord } from '#database/gifts/gift-pages.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import { type RetryJobData, retryJobId } from '#queues/retry.queue.ts'
import type { StreamConnection } from '#stream/index.ts'
import { answerOr } from './answer-or.ts'
import type { GiftWhereabouts } from './gift-timeline.ts'

export interface WhereaboutsDeps {
  connection: StreamConnection
  streams: Readonly<Record<PromotionType, PromotionStream>>
  retryQueue: Queue<RetryJobData>
}

const PAGE_SIZE = 500
/** Entries that are looked at for one gift: the stream knows no gift by its id. */
const MAX_PAGES = 6

type RawEntry = [id: string, fields: string[]]
type RawPending = [id: string, consumer: string, idleMs: number, deliveries: number]

/** Where in Redis a gift is. A Redis that does not answer says nothing, and the page says so. */
export async function findWhereabouts(gift: GiftRecord, deps: WhereaboutsDeps): Promise<GiftWhereabouts> {
  const [found, job] = await Promise.all([
    findEntry(gift, deps).catch(() => ({ searched: 'none' as const })),
    answerOr(findJob(gift, deps), undefined),
  ])
  return { ...found, job }
}

async function findEntry(
  { type, promotionId, message, processStatus }: GiftRecord,
  { connection, streams }: WhereaboutsDeps,
): Promise<Pick<GiftWhereabouts, 'entry' | 'searched'>> {
  if (processStatus === 'SUCCESS' || processStatus === 'FAILED') return { searched: 'none' }
  const [key, group] = [streams[type].streamKey(promotionId), streams[type].groupName(promotionId)]
  for (let page = 0, start = '-'; page < MAX_PAGES; page++) {
    const entries = (await connection.client.xrange(key, start, '+', 'COUNT', PAGE_SIZE)) as RawEntry[]
    // An entry's message is the row's, to the letter.
    const found = entries.find(([, fields]) => fields[fields.indexOf('message') + 1] === message)
    if (found !== undefined) {
      const [id] = found
      const pending = await connection.client.xpending(key, group, id, id, 1).catch(() => [])
      const [lease] = pending as RawPending[]
      if (lease === undefined) return { entry: { id }, searched: 'part' }
      return { entry: { id, consumer: lease[1], idleMs: lease[2], deliveries: lease[3] }, searched: 'part' }
    }
    if (entries.length < PAGE_SIZE) return { searched: 'all' }
    start = `(${entries.at(-1)?.[0]}`
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
