import { type ConnectionOptions, Queue } from 'bullmq'
import { MAX_RETRY_AFTER_MS } from '#money/charge.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { RetryJobData } from '#queues/retry.queue.ts'
import { parseRetryJobId, RETRY_QUEUE_NAME, retryDelayMs, retryJobId } from '#queues/retry.queue.ts'
import { type Service, service } from '#runtime/service.ts'
import { createTimeLimit } from '#runtime/time-limit.ts'

export interface RetryPolicy {
  /** POSTs in all, the first included. */
  maxAttempts: number
  baseMs: number
  maxMs: number
}

export interface RetryJobsOptions {
  connection: ConnectionOptions
  /** BullMQ's key prefix; in a cluster it needs a hash tag. */
  prefix: string
  policy: RetryPolicy
}

/** BullMQ's retry queue as a producer sees it. */
export interface RetryJobs extends Service {
  /** Delayed jobs, one a gift: a second one for the same gift changes nothing. `attempts` = POSTs sent so far. */
  add(jobs: readonly RetryRequest[]): Promise<void>
  /**
   * Makes sure that each has a live job: adds one that is gone, retries one that failed. Returns how many had none. Rejects
   * after 5 s, and at once while an earlier call still waits: who asks may hold a lock of all instances.
   */
  revive(jobs: readonly RetryRequest[]): Promise<number>
  /** Which of these gifts have a job that will still run? Changes nothing. */
  findLive(type: PromotionType, targetIds: readonly string[]): Promise<boolean[]>
  /**
   * A page of the gifts whose jobs have failed for good, the oldest first, from that rank on; undefined stands for a job that
   * is none of ours. Rejects like `revive`.
   */
  listFailed(from: number, limit: number): Promise<(GiftRef | undefined)[]>
  /** Removes the jobs of gifts that are final; one that runs at this moment ends by itself. Rejects like `revive`. */
  remove(gifts: readonly GiftRef[]): Promise<number>
}

export interface GiftRef {
  type: PromotionType
  targetId: string
}

export interface RetryRequest {
  data: RetryJobData
  attempts: number
}

/** BullMQ's connection waits for a Redis that is away, without end. */
const REVIVE_LIMIT_MS = 5000
/** Events that BullMQ keeps for whoever listens; nobody does for long. */
const MAX_EVENTS = 1000

export function createRetryJobs({ connection, prefix, policy }: RetryJobsOptions): RetryJobs {
  const queue = new Queue<RetryJobData>(RETRY_QUEUE_NAME, {
    connection,
    prefix,
    defaultJobOptions: {
      // The row's `attempts` decides when it is enough; BullMQ must only never give up earlier.
      attempts: policy.maxAttempts + 1,
      backoff: { type: 'promostream' },
      removeOnComplete: true,
      removeOnFail: false,
      // A stack of ours tells nobody anything, and was the greater part of a failed job.
      stackTraceLimit: 0,
    },
    streams: { events: { maxLen: MAX_EVENTS } },
  })
  queue.on('error', () => undefined)
  const add: RetryJobs['add'] = async jobs => {
    await queue.addBulk(jobs.map(job => toBullJob(job, policy)))
  }
  const limited = createTimeLimit('reviving retry jobs', REVIVE_LIMIT_MS)
  const removing = createTimeLimit('removing retry jobs', REVIVE_LIMIT_MS)
  const remove: RetryJobs['remove'] = async gifts => {
    const removed = await Promise.all(gifts.map(({ type, targetId }) => queue.remove(retryJobId(type, targetId))))
    return removed.filter(count => count > 0).length
  }
  const revive: RetryJobs['revive'] = async jobs => {
    const isDead = await Promise.all(jobs.map(job => reviveFailed(queue, job)))
    await add(jobs.filter((_job, index) => isDead[index] === 'gone'))
    return isDead.filter(state => state !== 'live').length
  }
  return {
    ...service('retry-jobs', { start: async () => undefined, stop: () => queue.close() }),
    add,
    revive: jobs => limited(() => revive(jobs)),
    remove: gifts => removing(() => remove(gifts)),
    listFailed: (from, limit) =>
      removing(async () => (await queue.getRanges(['failed'], from, from + limit - 1, true)).map(parseRetryJobId)),
    findLive: (type, targetIds) =>
      Promise.all(
        targetIds.map(async targetId => {
          const state = await queue.getJobState(retryJobId(type, targetId))
          return state !== 'unknown' && state !== 'failed' && state !== 'completed'
        }),
      ),
  }
}

function toBullJob({ data, attempts }: RetryRequest, policy: RetryPolicy) {
  const now = Date.now()
  // A retry message may come from elsewhere, and say anything.
  const askedMs = Math.min(MAX_RETRY_AFTER_MS, (data.notBefore ?? now) - now)
  const delay = Math.max(retryDelayMs(attempts, policy), askedMs)
  return { name: data.type, data, opts: { jobId: retryJobId(data.type, data.targetId), delay } }
}

/** Adding an id that sits in the failed set does nothing: such a job is retried where it is. */
async function reviveFailed(queue: Queue<RetryJobData>, { data }: RetryRequest): Promise<'live' | 'failed' | 'gone'> {
  const job = await queue.getJob(retryJobId(data.type, data.targetId))
  if (job === undefined) return 'gone'
  if (!(await job.isFailed())) return 'live'
  await job.retry('failed')
  return 'failed'
}
