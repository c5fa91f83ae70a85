import { LRUCache } from 'lru-cache'
import type { HttpMethod } from '#money/charge.ts'
import { RecentCalls, type RecentCallsSummary } from '#money/recent-calls.ts'

const MAX_PROMOTIONS = 200

/** The calls of a process, all of them and the POSTs of each promotion. */
export class PromotionCalls {
  readonly #all = new RecentCalls()
  readonly #byPromotion = new LRUCache<string, RecentCalls>({ max: MAX_PROMOTIONS })

  add(method: HttpMethod, meaning: string, seconds: number, code?: string, promotionId?: string): void {
    this.#all.add(method, meaning, seconds, code)
    if (promotionId === undefined) return
    const own = this.#byPromotion.get(promotionId) ?? this.#first(promotionId)
    own.add(method, meaning, seconds, code)
  }

  #first(promotionId: string): RecentCalls {
    const own = new RecentCalls()
    this.#byPromotion.set(promotionId, own)
    return own
  }

  summary(): RecentCallsSummary {
    return this.#all.summary()
  }

  /** Undefined: it has had none. */
  summaryOf(promotionId: string): RecentCallsSummary | undefined {
    return this.#byPromotion.get(promotionId)?.summary()
  }
}
