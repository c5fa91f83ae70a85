import type { JobCounts, JobStatus, QueueJob, QueueWorker, Status } from '@bull-board/api/dist/types.js'
import type { Kysely } from 'kysely'
import { concurrencyBody, id as validId } from '#admin/api-schemas.ts'
import { giftTimeline, timelineInWords } from '#admin/gift-timeline.ts'
import type { GiftService } from '#admin/gifts.ts'
import type { MemberMask } from '#admin/member-mask.ts'
import type { ApiOperations } from '#admin/operations.ts'
import { refusal } from '#admin/problem.ts'
import type { PromotionView, Sampler } from '#admin/snapshot/sampler.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import { StreamQueueAdapter } from '#bull-board/index.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { findGift } from '#database/gifts/gift-pages.ts'
import { listGiftsByPlace } from '#database/gifts/gift-places.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'
import { type PromotionQueueDeps, promotionQueue } from '#promotion/promotion-queue.ts'
import { toJob } from './gift-job.ts'
import { refused } from './refused.ts'

export interface StreamAdapterDeps extends PromotionQueueDeps {
  kysely: Kysely<unknown>
  sampler: Sampler
  operations: ApiOperations
  promotions: PromotionRepository
  /** Before our own paths in a browser. */
  basePath: string
  gifts: GiftService
  mask: MemberMask
  /** Every UNKNOWN gift of a promotion once more; returns how many. */
  retryUnknown(promotionId: string): Promise<number>
  /** Some of the gifts whose entries are leased. */
  listActive(promotion: Pick<Promotion, 'id' | 'type'>, limit: number): Promise<GiftRecord[]>
}

/** Which states a column of the board shows; the active ones are PENDING too and come from the stream. */
const STATUSES_OF: Readonly<Record<string, readonly ProcessStatus[]>> = {
  waiting: ['PENDING'],
  completed: ['SUCCESS'],
  failed: ['UNKNOWN', 'FAILED'],
  delayed: ['RETRYING'],
}
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100

/**
 * A promotion's stream as a queue of the board. Counts and state come from the snapshot that all queues of a poll share;
 * only the queue that is looked at asks PostgreSQL for a page of its gifts. What may be changed is changed through the
 * same operations as everywhere, and what would lose a gift is refused.
 */
export class PromotionStreamAdapter extends StreamQueueAdapter {
  readonly #promotion: Pick<Promotion, 'id' | 'type'>
  readonly #deps: StreamAdapterDeps
  /** A job leads to its gift's page. */
  override readonly externalJobUrl: NonNullable<StreamQueueAdapter['externalJobUrl']>

  constructor(promotion: Pick<Promotion, 'id' | 'type' | 'name'>, deps: StreamAdapterDeps) {
    super(promotionQueue(promotion, deps), {
      displayName: `${promotion.name} ${promotion.id}`.trim(),
      description: `${promotion.type} · ${deps.streams[promotion.type].streamKey(promotion.id)}`,
    })
    this.#promotion = promotion
    this.#deps = deps
    this.externalJobUrl = ({ id: targetId }) => ({ href: `${deps.basePath}/gifts/${promotion.type}/${targetId}` })
  }

  get promotionId(): string {
    return this.#promotion.id
  }

  async #view(): Promise<PromotionView | undefined> {
    // One adapter that throws would break the board of all.
    return this.#deps.sampler.find(this.promotionId).catch(() => undefined)
  }

  override async getJobCounts(): Promise<JobCounts> {
    const view = await this.#view()
    const { SUCCESS = 0, FAILED = 0, UNKNOWN = 0, RETRYING = 0 } = view?.gifts ?? {}
    return {
      waiting: view?.waiting ?? 0,
      active: view?.active ?? 0,
      delayed: RETRYING,
      completed: SUCCESS,
      failed: FAILED + UNKNOWN,
    } as JobCounts
  }

  override getStatuses(): Status[] {
    return ['latest', 'active', 'waiting', 'completed', 'failed', 'delayed']
  }

  override getJobStatuses(): JobStatus[] {
    return ['active', 'waiting', 'completed', 'failed', 'delayed']
  }

  override async getJobs(statuses: JobStatus[], start = 0, end = start + DEFAULT_LIMIT - 1): Promise<QueueJob[]> {
    const limit = Math.max(1, Math.min(MAX_LIMIT, end - start + 1))
    const { kysely, listActive } = this.#deps
    if (statuses.length === 1 && statuses[0] === 'active') {
      const active = await listActive(this.#promotion, start + limit)
      return active.slice(start).map(gift => this.#toJob(gift, true))
    }
    const wanted = statuses.flatMap(status => STATUSES_OF[status] ?? [])
    const gifts = await listGiftsByPlace(kysely, this.#promotion, { statuses: wanted, offset: start, limit })
    return gifts.map(gift => this.#toJob(gift, false))
  }

  override async getJob(id: string): Promise<QueueJob | undefined> {
    if (!validId.safeParse(id).success) return undefined
    const gift = await findGift(this.#deps.kysely, this.#promotion.type, id)
    return gift?.promotionId === this.promotionId ? this.#toJob(gift, false) : undefined
  }

  #toJob(gift: GiftRecord, isActive: boolean): QueueJob {
    return toJob(this.#deps.mask.gift(gift, null), {
      isActive,
      retry: () => this.#deps.gifts.retry(gift.type, gift.targetId),
    })
  }

  override async getJobLogs(id: string): Promise<string[]> {
    const gift = await findGift(this.#deps.kysely, this.#promotion.type, id)
    if (gift === undefined) return []
    const way = timelineInWords(giftTimeline(gift, { searched: 'none' }), TEXTS.en)
    return way.map(({ step, at, text }) => `${at ?? '–'}  ${step}: ${text}`)
  }

  override async isPaused(): Promise<boolean> {
    return (await this.#view())?.status === 'PAUSED'
  }

  override async pause(): Promise<void> {
    await this.#deps.operations.pause(this.promotionId)
  }

  override async resume(): Promise<void> {
    await this.#deps.operations.resume(this.promotionId)
  }

  /**
   * Among all: one that was paused by itself waits for somebody who has looked at why.
   * @returns its reason when it was left out.
   */
  async resumeUnlessByItself(): Promise<string | undefined> {
    const promotion = await this.#deps.promotions.find(this.promotionId)
    if (promotion?.pauseReason) return promotion.pauseReason
    await this.resume()
    return undefined
  }

  override async getGlobalConcurrency(): Promise<number | null> {
    return (await this.#view())?.consumersPerInstance ?? null
  }

  override async setGlobalConcurrency(concurrency: number): Promise<void> {
    // The board takes a limit away by 0.
    const wanted = concurrencyBody.safeParse({ consumersPerInstance: concurrency > 0 ? concurrency : null })
    if (!wanted.success) throw refusal('UNPROCESSABLE', 'slots must be a whole number from 1 to 100,000')
    await this.#deps.promotions.setConsumers(this.promotionId, wanted.data.consumersPerInstance)
  }

  /** Null, which is no warning, for one that needs none. */
  override async getWorkers(): Promise<QueueWorker[] | null> {
    const status = (await this.#view())?.status
    if (status !== 'IN_PROGRESS' && status !== 'PAUSED') return null
    const { around } = await this.#deps.sampler.fresh()
    return toWorkers(around.instances ?? [], this.promotionId)
  }

  /** Every UNKNOWN gift of it once more; FAILED ones stay what they are. */
  retryUnknown(): Promise<number> {
    return this.#deps.retryUnknown(this.promotionId)
  }

  override async clean(): Promise<void> {
    refused('cleaning')
  }

  override async addJob(): Promise<QueueJob> {
    return refused('adding a job')
  }

  override async empty(): Promise<void> {
    refused('emptying')
  }

  override async obliterate(): Promise<void> {
    refused('obliterating')
  }

  override async promoteAll(): Promise<void> {
    refused('promoting')
  }
}

/** Worker processes from our registry, as the board lists workers; those of one promotion, or all. */
export function toWorkers(instances: readonly InstanceRecord[], promotionId?: string): QueueWorker[] {
  return instances
    .filter(({ promotions }) => promotionId === undefined || promotions.some(own => own.promotionId === promotionId))
    .map(({ instance, host, pid, startedAt, promotions, slotsInUse, slotsMax }) => {
      const own = promotions.find(promotion => promotion.promotionId === promotionId)
      const [used, slots] = own === undefined ? [slotsInUse, slotsMax] : [own.slotsInUse, own.slots]
      return {
        id: instance,
        name: `${instance} (${used} of ${slots} slots)`,
        addr: `${host} pid ${pid}`,
        age: Math.max(0, Math.round((Date.now() - Date.parse(startedAt)) / 1000)),
      }
    })
}
