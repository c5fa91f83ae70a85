import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { within } from '#runtime/within.ts'
import type { PromotionConsumerRegistry } from './consumer-registry.ts'
import type { PromotionStreamManager } from './stream-manager.ts'

export interface StatusFollowerDeps {
  promotions: PromotionRepository
  manager: PromotionStreamManager
  registry: PromotionConsumerRegistry
  /** Told of the promotions that run; upkeep fills their streams. */
  refills: { add(promotion: Promotion): void; keepOnly(runningIds: ReadonlySet<string>): void }
  /** Shares the slots by weight and deadline; missing: evenly. */
  sharing?: { share(active: readonly Promotion[]): Promise<void> } | undefined
  logger: Logger
}

/** A round waits no longer for a promotion, in ms: the others follow their status meanwhile. */
const FOLLOW_MS = 2000

/**
 * Makes this process do what the database says: consumers of IN_PROGRESS promotions run and their streams are filled,
 * those of PAUSED ones wait, all others stop. Started events only make it faster.
 */
export class StatusFollower {
  readonly #deps: StatusFollowerDeps
  /** Promotions that are being followed: one on a shard that is away takes long over it. */
  readonly #following = new Set<string>()

  constructor(deps: StatusFollowerDeps) {
    this.#deps = deps
  }

  /** One round over every promotion. One that fails does not keep the others from theirs. */
  async follow(): Promise<void> {
    const { promotions, registry, manager, refills } = this.#deps
    const active = await promotions.listActive()
    const activeIds = new Set(active.map(promotion => promotion.id))
    const runningIds = new Set(active.filter(({ status }) => status === 'IN_PROGRESS').map(({ id }) => id))
    refills.keepOnly(runningIds)
    for (const id of registry.promotionIds) {
      // Not awaited: handlers that wait for Kafka or a permit would keep every other promotion from following its status.
      if (!activeIds.has(id)) void this.#guard(id, () => manager.stopConsumers(id))
    }
    const idle = active.filter(({ id }) => !this.#following.has(id))
    await within<unknown>(Promise.all(idle.map(promotion => this.#follow(promotion))), FOLLOW_MS, () => undefined)
    void this.#deps.sharing?.share(active)
  }

  async #follow(promotion: Promotion): Promise<void> {
    this.#following.add(promotion.id)
    await this.#guard(promotion.id, () => this.followOne(promotion))
    this.#following.delete(promotion.id)
  }

  /** Starts or pauses the consumers of one promotion; its stream is refilled by the next refill round. */
  async followOne(promotion: Promotion): Promise<void> {
    const { manager, refills } = this.#deps
    if (promotion.status === 'PAUSED') return manager.pauseConsumers(promotion.id)
    await manager.startConsumers(promotion.id, promotion.totalCount, promotion.type, promotion.consumersPerInstance)
    refills.add(promotion)
  }

  async #guard(promotionId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#deps.logger.warn(
        { err: toError(error), promotionId },
        `the status could not be followed: ${errorLine(error)}`,
      )
    }
  }
}
