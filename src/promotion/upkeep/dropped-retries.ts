import type { Promotion, PromotionRepository } from '#database/promotions/promotions.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

export interface DroppedRetriesDeps {
  promotions: Pick<PromotionRepository, 'find'>
  /** Gives RETRYING rows that have no live job one, however young; answers how many. */
  revive(promotion: Promotion, hasTime: () => boolean): Promise<number>
  logger: Logger
}

/**
 * Promotions of which this process has dropped retry jobs, because they did not run: they would come round for as long as
 * the pause lasts, in front of everybody else's. When one runs again its rows get their jobs back. What a process that
 * ends has forgotten upkeep finds, after the sweep age.
 */
export class DroppedRetries {
  readonly #deps: DroppedRetriesDeps
  readonly #promotionIds = new Set<string>()

  constructor(deps: DroppedRetriesDeps) {
    this.#deps = deps
  }

  add(promotionId: string): void {
    this.#promotionIds.add(promotionId)
  }

  /** Any number of instances may do it at once: a live job stays as it is. Without `hasTime` (the process stops) it ends. */
  async revive(hasTime: () => boolean): Promise<void> {
    for (const promotionId of [...this.#promotionIds]) if (hasTime()) await this.#reviveOne(promotionId, hasTime)
  }

  async #reviveOne(promotionId: string, hasTime: () => boolean): Promise<void> {
    const { promotions, revive, logger } = this.#deps
    try {
      const promotion = await promotions.find(promotionId)
      if (promotion !== undefined && promotion.status !== 'IN_PROGRESS' && promotion.status !== 'COMPLETED') return
      // Before the search: a job that is dropped meanwhile, by a status a second old, is found in the next round.
      this.#promotionIds.delete(promotionId)
      if (promotion?.status !== 'IN_PROGRESS') return
      const revived = await revive(promotion, hasTime)
      logger.info({ promotionId, revived }, 'the promotion goes on: its RETRYING gifts have their jobs again')
    } catch (error) {
      this.#promotionIds.add(promotionId)
      logger.warn({ err: toError(error), promotionId }, `retries not put back yet: ${errorLine(error)}`)
    }
  }
}
