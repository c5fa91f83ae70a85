import { type ConnectionOptions, Queue } from 'bullmq'
import type { RetryJobData } from '#queues/retry.queue.ts'
import { RETRY_QUEUE_NAME, retryDelayMs, retryJobId } from '#queues/retry.queue.ts'
import { type Service, service } from '#runtime/service.ts'

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
  add(jobs: readonly { data: RetryJobData; attempts: number }[]): Promise<void>
}

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
    },
  })
  queue.on('error', () => undefined)
  return {
    ...service('retry-jobs', { start: async () => undefined, stop: () => queue.close() }),
    add: async jobs => {
      const now = Date.now()
      await queue.addBulk(
        jobs.map(({ data, attempts }) => ({
          name: data.type,
          data,
          opts: {
            jobId: retryJobId(data.type, data.targetId),
            delay: Math.max(retryDelayMs(attempts, policy), (data.notBefore ?? now) - now),
          },
        })),
      )
    },
  }
}
