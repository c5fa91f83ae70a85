import type { Kysely } from 'kysely'
import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import { AnsweringStreams } from '#promotion/upkeep/answering-streams.ts'
import { createRefillCursor, type RefillCursor, refill } from '#promotion/upkeep/refill.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { PromotionConsumerRegistry } from './consumer-registry.ts'
import type { PromotionStreamManager } from './stream-manager.ts'

export interface ReconcilerDeps {
  kysely: Kysely<unknown>
  promotions: PromotionRepository
  manager: PromotionStreamManager
  registry: PromotionConsumerRegistry
  producer: PromotionStreamProducer
  streams: Readonly<Record<PromotionType, PromotionStream>>
  logger: Logger
}

/** Each is a transaction: a fraction of the process's database connections. */
const REFILLS_AT_ONCE = 3
/** A round waits no longer for a promotion, in ms: the others follow their status meanwhile. */
const FOLLOW_MS = 2000

/**
 * Makes this process do what the database says: consumers of IN_PROGRESS promotions run and their streams are filled,
 * those of PAUSED ones wait, all others stop. Started events only make it faster. Refill has rounds of its own, so that
 * filling a big promotion's window does not keep the others from following their status.
 */
export class PromotionReconciler {
  readonly #deps: ReconcilerDeps
  /** Promotions that may have rows without an entry. */
  readonly #backlog = new Map<string, Promotion>()
  readonly #cursors = new Map<string, RefillCursor>()
  readonly #answering: AnsweringStreams
  /** Promotions that are being followed: one on a shard that is away takes long over it. */
  readonly #following = new Set<string>()

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps
    this.#answering = new AnsweringStreams(deps)
  }

  /** One round over every promotion. One that fails does not keep the others from theirs. */
  async reconcile(): Promise<void> {
    const { promotions, registry, manager } = this.#deps
    const active = await promotions.listActive()
    const activeIds = new Set(active.map(promotion => promotion.id))
    const runningIds = new Set(active.filter(({ status }) => status === 'IN_PROGRESS').map(({ id }) => id))
    for (const id of this.#backlog.keys()) if (!runningIds.has(id)) this.#backlog.delete(id)
    for (const id of this.#cursors.keys()) if (!runningIds.has(id)) this.#cursors.delete(id)
    for (const id of registry.promotionIds) {
      // Not awaited: handlers that wait for Kafka or a permit would keep every other promotion from following its status.
      if (!activeIds.has(id)) void this.#guard(id, () => manager.stopConsumers(id))
    }
    const idle = active.filter(({ id }) => !this.#following.has(id))
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, FOLLOW_MS)
    await Promise.race([Promise.all(idle.map(promotion => this.#follow(promotion))), late.promise])
    clearTimeout(timer)
  }

  async #follow(promotion: Promotion): Promise<void> {
    this.#following.add(promotion.id)
    await this.#guard(promotion.id, () => this.reconcileOne(promotion))
    this.#following.delete(promotion.id)
  }

  /** Starts or pauses the consumers of one promotion; its stream is refilled by the next refill round. */
  async reconcileOne(promotion: Promotion): Promise<void> {
    const { manager } = this.#deps
    if (promotion.status === 'PAUSED') return manager.pauseConsumers(promotion.id)
    await manager.startConsumers(promotion.id, promotion.totalCount, promotion.type, promotion.consumersPerInstance)
    this.#backlog.set(promotion.id, promotion)
  }

  /** A turn for every promotion that may have rows without an entry; bounded, so that none waits long for its own. */
  async refill(): Promise<void> {
    const rest = await this.#answering.of([...this.#backlog.values()])
    const fillNext = async () => {
      for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
        const promotion = next
        await this.#guard(promotion.id, () => this.#fill(promotion))
      }
    }
    await Promise.all(Array.from({ length: REFILLS_AT_ONCE }, fillNext))
  }

  async #fill(promotion: Promotion): Promise<void> {
    const { kysely, producer, streams, logger } = this.#deps
    // The next reconcile round puts a running promotion back here: one that fails is not tried, and logged, at every turn.
    this.#backlog.delete(promotion.id)
    const cursor = this.#cursors.get(promotion.id) ?? createRefillCursor()
    this.#cursors.set(promotion.id, cursor)
    const { moved, isMoreLeft } = await refill(promotion, streams[promotion.type], { kysely, producer }, { cursor })
    if (isMoreLeft) this.#backlog.set(promotion.id, promotion)
    if (moved > 0) logger.debug({ promotionId: promotion.id, moved }, 'stream refilled from rows')
  }

  async #guard(promotionId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#deps.logger.warn({ err: toError(error), promotionId }, `reconcile failed: ${errorLine(error)}`)
    }
  }
}
