import { LRUCache } from 'lru-cache'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionRepository } from '#database/promotions/promotions.ts'

/** How long a status may be out of date, in ms: PAUSED reaches every instance within 5 s with room to spare. */
const MAX_AGE_MS = 1000

/**
 * The planning documents' `CampaignPromotionStatusCacheService`: one query a promotion and second, however many gifts
 * ask. It lives in the process, not in Redis: the row is the only truth, and other programs change it by SQL.
 */
export class CampaignPromotionStatusCacheService {
  readonly #cache: LRUCache<string, { status: PromotionStatus | undefined }>

  constructor(promotions: Pick<PromotionRepository, 'find'>, maxAgeMs = MAX_AGE_MS) {
    this.#cache = new LRUCache({
      max: 10_000,
      ttl: maxAgeMs,
      fetchMethod: async promotionId => ({ status: (await promotions.find(promotionId))?.status }),
    })
  }

  /** Undefined for a promotion that does not exist. Rejects when the database does not answer. */
  async status(promotionId: string): Promise<PromotionStatus | undefined> {
    return (this.#cache.get(promotionId) ?? (await this.#cache.fetch(promotionId)))?.status
  }

  /** It has just been changed from here. */
  forget(promotionId: string): void {
    this.#cache.delete(promotionId)
  }

  /** A promise only when it has to be asked for: each gift asks twice. */
  isPromotionInProgress(promotionId: string): boolean | Promise<boolean> {
    const known = this.#cache.get(promotionId)
    if (known !== undefined) return known.status === 'IN_PROGRESS'
    return this.status(promotionId).then(status => status === 'IN_PROGRESS')
  }
}
