import { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js'
import type {
  JobCleanStatus,
  JobCounts,
  JobStatus,
  ObliterateOptions,
  QueueJob,
  QueueMetrics,
  QueueWorker,
  Status,
} from '@bull-board/api/dist/types.js'
import type { StreamQueue } from '#stream/index.ts'
import { entryJob, isLetterJobId, letterIdOf, letterJob } from './board-jobs.ts'

/** How a queue looks on the board. */
export interface StreamQueueAdapterOptions {
  /** What stands in the list. Default: the stream's key. */
  displayName?: string
  /** What stands below it. */
  description?: string
  /** Nobody may pause, replay or delete anything. Default false. */
  readOnlyMode?: boolean
}

const NO_METRICS: QueueMetrics = { meta: { count: 0, prevTS: 0, prevCount: 0 }, data: [], count: 0 }
const DEFAULT_LIMIT = 10
/** Jobs of one page. */
const MAX_LIMIT = 100
/** A page is reached through those before it: the board shows no more than so many jobs of a state. */
const MAX_SHOWN = 1000

/**
 * A StreamQueue as a queue of the board, beside `BullMQAdapter`s: waiting entries, what workers have leased, and dead letters as «failed»
 * jobs, which the board's retry replays and its remove discards. Pause and resume are the queue's own.
 */
export class StreamQueueAdapter extends BaseAdapter {
  readonly #queue: StreamQueue

  /** @param queue stays its owner's, who closes it. */
  // biome-ignore lint/suspicious/noExplicitAny: a queue of whatever data.
  constructor(queue: StreamQueue<any, any>, options: StreamQueueAdapterOptions = {}) {
    // With 'bullmq' the job page looks for a flow, which only BullMQ has.
    super('bull', { ...options, allowCompletedRetries: false })
    this.#queue = queue
  }

  /** The stream's key. */
  override getName(): string {
    return this.#queue.name
  }

  /** O(1). */
  override async getJobCounts(): Promise<JobCounts> {
    const { waiting, active, failed } = await this.#queue.getJobCounts()
    return { waiting, active, failed, delayed: 0, completed: 0 } as JobCounts
  }

  /** The board's tabs. */
  override getStatuses(): Status[] {
    return ['latest', 'active', 'waiting', 'failed']
  }

  /** What jobs can be. */
  override getJobStatuses(): JobStatus[] {
    return ['active', 'waiting', 'failed']
  }

  /** A page of the jobs in these states, the oldest first. */
  override async getJobs(statuses: JobStatus[], start = 0, end = start + DEFAULT_LIMIT - 1): Promise<QueueJob[]> {
    const limit = Math.max(1, Math.min(MAX_LIMIT, end - start + 1))
    const wanted = Math.min(MAX_SHOWN, start + limit)
    const found = await Promise.all([
      statuses.includes('active') ? this.#active(wanted) : [],
      statuses.includes('waiting') ? this.#waiting(wanted) : [],
      statuses.includes('failed') ? this.#failed(wanted) : [],
    ])
    return found.flat().slice(start, start + limit)
  }

  async #active(count: number): Promise<QueueJob[]> {
    const pending = await this.#queue.pending({ limit: count })
    const entries = await this.#queue.get(pending.map(({ id }) => id))
    const byId = new Map(pending.map(each => [each.id, each]))
    return entries.map(entry => entryJob(entry, byId.get(entry.id)))
  }

  /** A group is given entries in their order: those that wait lie behind the newest that is pending. */
  async #waiting(count: number): Promise<QueueJob[]> {
    const { newestId } = await this.#queue.pendingSummary()
    const page = await this.#queue.page({ limit: count, ...(newestId === undefined ? {} : { after: newestId }) })
    return page.items.map(entry => entryJob(entry, undefined))
  }

  async #failed(count: number): Promise<QueueJob[]> {
    const { items } = await this.#queue.deadLetters().page({ limit: count })
    return items.map(letter => letterJob(letter, this.#queue))
  }

  /** An entry of the stream, or a dead letter. */
  override async getJob(id: string): Promise<QueueJob | undefined> {
    if (isLetterJobId(id)) {
      const letter = await this.#queue.deadLetters().get(letterIdOf(id))
      return letter && letterJob(letter, this.#queue)
    }
    if (!/^\d{1,20}-\d{1,20}$/.test(id)) return undefined
    const [entry] = await this.#queue.get([id])
    if (entry === undefined) return undefined
    const [pending] = await this.#queue.pending({ id })
    return entryJob(entry, pending)
  }

  /** None is kept. */
  override async getJobLogs(_id: string): Promise<string[]> {
    return []
  }

  /** Whether all workers of the queue were told to pause. */
  override isPaused(): Promise<boolean> {
    return this.#queue.isPaused()
  }

  /** All workers of the queue, within a second. */
  override pause(): Promise<void> {
    return this.#queue.pause()
  }

  /** All workers of the queue, within a second. */
  override resume(): Promise<void> {
    return this.#queue.resume()
  }

  /** Discards dead letters older than `graceTimeMs`; nothing else is kept that could be cleaned. */
  override async clean(status: JobCleanStatus, graceTimeMs: number): Promise<void> {
    if (status !== 'failed') throw new Error('only dead letters can be cleaned: what is done is deleted at once')
    await this.#queue.discard({ before: Date.now() - graceTimeMs })
  }

  /** Options of the job are left out, as `add` leaves them out. */
  override async addJob(name: string, data: unknown): Promise<QueueJob> {
    const { id } = await this.#queue.add(name, data)
    const job = await this.getJob(id)
    if (job !== undefined) return job
    return entryJob({ id, name, data, undecodable: undefined, timestamp: Number.parseInt(id, 10) }, undefined)
  }

  /** Refused: waiting entries cannot be taken away without those that workers have leased. */
  override async empty(): Promise<void> {
    throw new Error('a stream cannot be emptied beside its workers: obliterate it, or pause it')
  }

  /** Stream and group with whatever is left; dead letters stay. Without `force` it is refused while workers have entries leased. */
  override async obliterate({ force = false }: ObliterateOptions = {}): Promise<void> {
    const { count } = await this.#queue.pendingSummary()
    if (count > 0 && !force)
      throw new Error(`workers have ${count} entries leased: pause the queue and wait, or force it`)
    await this.#queue.obliterate()
  }

  /** There are no delays. */
  override async promoteAll(): Promise<void> {
    throw new Error('a stream has no delays: nothing is to be promoted')
  }

  /** Consumers that hold something; null, which is no warning, where none does. */
  override async getWorkers(): Promise<QueueWorker[] | null> {
    const { consumers } = await this.#queue.pendingSummary()
    if (consumers.length === 0) return null
    return consumers.map(({ name, count }) => ({ id: name, name: `${name} (${count} entries)`, addr: '', age: 0 }))
  }

  /** Concurrency is each worker's. */
  override async getGlobalConcurrency(): Promise<number | null> {
    return null
  }

  /** Concurrency is each worker's. */
  override async setGlobalConcurrency(_concurrency: number): Promise<void> {
    throw new Error('concurrency is each worker’s: set it there')
  }

  /** A stream's Redis is not asked. */
  override async getRedisInfo(): Promise<string | null> {
    return null
  }

  /** None is kept. */
  override async getMetrics(): Promise<QueueMetrics> {
    return NO_METRICS
  }

  /** There are none. */
  override async removeJobScheduler(): Promise<boolean> {
    return false
  }

  /** There are none. */
  override async getJobSchedulers(): Promise<[]> {
    return []
  }

  /** There are none. */
  override async getJobSchedulersCount(): Promise<number> {
    return 0
  }

  /** There are none. */
  override async updateJobScheduler(): Promise<'not-found'> {
    return 'not-found'
  }

  /** There are none. */
  override async runJobSchedulerNow(): Promise<'not-found'> {
    return 'not-found'
  }
}
