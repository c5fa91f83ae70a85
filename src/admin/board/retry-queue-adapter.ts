import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import type { JobCounts, QueueWorker } from '@bull-board/api/dist/types.js'
import { type ConnectionOptions, type Job, Queue } from 'bullmq'
import type { GiftService } from '#admin/gifts.ts'
import type { Sampler } from '#admin/snapshot/sampler.ts'
import { RETRY_QUEUE_NAME, type RetryJobData, retryJobData } from '#queues/retry.queue.ts'
import { type Service, service } from '#runtime/service.ts'
import { answerOr } from '#runtime/within.ts'
import { refused } from './refused.ts'
import { toWorkers } from './stream-adapter.ts'

/** BullMQ's retry queue as the board shows it; `life` ends it. */
export function openRetryQueue(connection: ConnectionOptions, prefix: string) {
  const queue = new Queue<RetryJobData>(RETRY_QUEUE_NAME, { connection, prefix })
  queue.on('error', () => undefined)
  const life: Service = service('retry-queue', { start: async () => undefined, stop: () => queue.close() })
  return { queue, life }
}

export interface RetryQueueDeps {
  sampler: Sampler
  gifts: GiftService
  /** Our paths stand below it. */
  basePath: string
}

/** A job leads to its gift. */
function giftUrl(data: unknown, basePath: string): { href: string } {
  const parsed = retryJobData.safeParse(data)
  return { href: parsed.success ? `${basePath}/gifts/${parsed.data.type}/${parsed.data.targetId}` : `${basePath}/` }
}

/** BullMQ's retry queue on the board. A retry asks the gift's row first; nothing takes a job away. */
export class RetryQueueAdapter extends BullMQAdapter {
  readonly #retryQueue: Queue<RetryJobData>
  readonly #deps: RetryQueueDeps

  constructor(queue: Queue<RetryJobData>, deps: RetryQueueDeps) {
    super(queue, {
      description: 'Gifts whose first call got no answer: one delayed job each, until it is settled',
      externalJobUrl: ({ data }) => giftUrl(data, deps.basePath),
    })
    this.#retryQueue = queue
    this.#deps = deps
  }

  /** It would be refused, and is not offered. */
  override get supportsGlobalRateLimit(): boolean {
    return false
  }

  override async getJobCounts(): Promise<JobCounts> {
    const none = { waiting: 0, active: 0, delayed: 0, failed: 0, completed: 0 }
    const states = ['wait', 'active', 'delayed', 'failed'] as const
    const counts = await answerOr(this.#retryQueue.getJobCounts(...states), none)
    const { wait = 0, waiting = wait, ...others } = counts as Record<string, number>
    return { ...none, ...others, waiting } as unknown as JobCounts
  }

  override async getJob(id: string): Promise<Job | undefined> {
    const job = await this.#retryQueue.getJob(id)
    return job === undefined ? undefined : this.#guarded(job)
  }

  override async getJobs(...query: Parameters<BullMQAdapter['getJobs']>): Promise<Job[]> {
    const jobs = await answerOr(super.getJobs(...query), [])
    return jobs.map(job => this.#guarded(job))
  }

  #guarded(job: Job): Job {
    job.retry = async () => {
      const parsed = retryJobData.safeParse(job.data)
      if (!parsed.success) return refused('retrying an unreadable job')
      await this.#deps.gifts.retry(parsed.data.type, parsed.data.targetId)
    }
    job.remove = async () => refused('removing')
    return job
  }

  override async getWorkers(): Promise<QueueWorker[]> {
    const { around } = await this.#deps.sampler.fresh()
    return toWorkers(around.instances ?? [])
  }

  override isPaused(): Promise<boolean> {
    return answerOr(super.isPaused(), false)
  }

  override getGlobalConcurrency(): Promise<number | null> {
    return answerOr(super.getGlobalConcurrency(), null)
  }

  override getActiveRateLimitTtl(): Promise<number> {
    return answerOr(super.getActiveRateLimitTtl(), 0)
  }

  override getRedisInfo(): Promise<string | null> {
    return answerOr(super.getRedisInfo(), null)
  }

  override async getJobSchedulersCount(): Promise<number> {
    return 0
  }

  override async clean(): Promise<void> {
    refused('cleaning')
  }

  override async addJob(): Promise<never> {
    return refused('adding a job')
  }

  override async empty(): Promise<void> {
    refused('emptying')
  }

  override async obliterate(): Promise<void> {
    refused('obliterating')
  }
}
