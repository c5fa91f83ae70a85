import type { Promotion } from '#database/promotions/promotions.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'
import { singleFlight } from '#runtime/single-flight.ts'
import type { StreamPool } from '#stream/index.ts'
import type { ConsumerContext, PromotionConsumerRegistry } from './consumer-registry.ts'
import { type SlotClaim, slotShares, slotsNeeded, slotsOfUse } from './slot-shares.ts'

export interface SlotSharingDeps {
  registry: Pick<PromotionConsumerRegistry, 'contexts'>
  pool: Pick<StreamPool, 'maxInFlight'>
  /** `WORKER_MAX_IN_FLIGHT`. */
  slotsMax: number
  /** Gifts of promotions that are still to be paid from their streams, by id. */
  giftsLeft(promotionIds: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** Worker processes that pay. */
  countWorkers(): Promise<number>
  /** Calls that wait for their turn at the Money API. */
  callsWaiting(): number
  logger: Logger
}

/** How often it is looked at how many calls wait, in ms. */
const LOOK_INTERVAL_MS = 250
/** Of what is kept of the times of earlier rounds. */
const KEPT = 0.5

/**
 * Shares a process's slots between its promotions by weight and deadline (WORKER_SLOTS_BY_DEADLINE): says each worker's weight
 * in the pool, which gives what one does not use to the others.
 */
export class SlotSharing {
  readonly #deps: SlotSharingDeps
  readonly service: Service
  #slots: number
  #ms = 0
  #gifts = 0

  constructor(deps: SlotSharingDeps) {
    this.#deps = deps
    this.#slots = deps.slotsMax
    let timer: NodeJS.Timeout | undefined
    this.service = service('slot-sharing', {
      start: async () => {
        timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS)
      },
      stop: async () => clearInterval(timer),
    })
  }

  /** Takes the time that an entry holds its slot. */
  timed<Args extends readonly unknown[], T>(handler: (...args: Args) => Promise<T>): (...args: Args) => Promise<T> {
    return async (...args) => {
      const fromMs = performance.now()
      const outcome = await handler(...args)
      this.#ms += performance.now() - fromMs
      // What comes again has used a slot, too.
      if (outcome === undefined) this.#gifts += 1
      return outcome
    }
  }

  /** Each round of following what the database says. Never rejects. */
  readonly share = singleFlight(async (active: readonly Promotion[]): Promise<void> => {
    try {
      await this.#share(active)
    } catch (error) {
      this.#deps.logger.debug({ err: toError(error) }, `slots are shared as before: ${errorLine(error)}`)
    }
  })

  async #share(active: readonly Promotion[]): Promise<void> {
    const promotions = new Map(active.map(promotion => [promotion.id, promotion]))
    const contexts = this.#deps.registry.contexts.filter(
      ({ promotionId, worker }) => promotions.get(promotionId)?.status === 'IN_PROGRESS' && !worker.isPaused(),
    )
    const claims = contexts.map(({ promotionId, worker }) => claimOf(promotions.get(promotionId), worker.concurrency))
    const isHurried = claims.some(({ leftMs }) => leftMs !== undefined) && contexts.length > 1
    if (isHurried) await this.#addNeeds(claims, contexts)
    const shares = isHurried ? slotShares(this.#slots, claims) : claims.map(({ weight }) => weight)
    for (const [index, { worker }] of contexts.entries()) worker.weight = shares[index] as number
    this.#ms *= KEPT
    this.#gifts *= KEPT
  }

  async #addNeeds(claims: SlotClaim[], contexts: readonly ConsumerContext[]): Promise<void> {
    if (this.#gifts === 0) return
    const { giftsLeft, countWorkers } = this.#deps
    const ids = contexts.filter((_, index) => claims[index]?.leftMs !== undefined).map(({ promotionId }) => promotionId)
    const [left, workers] = await Promise.all([giftsLeft(ids), countWorkers()])
    const cost = { slotMs: this.#ms / this.#gifts, workers: Math.max(1, workers) }
    for (const [index, { promotionId }] of contexts.entries()) {
      const claim = claims[index] as SlotClaim
      const gifts = left.get(promotionId)
      if (claim.leftMs !== undefined && gifts !== undefined) claim.needed = slotsNeeded(gifts, claim.leftMs, cost)
    }
  }

  #look(): void {
    const { registry, pool, slotsMax, callsWaiting } = this.#deps
    const { contexts } = registry
    const inUse = contexts.reduce((sum, { worker }) => sum + worker.inFlight, 0)
    const isAlone = contexts.length < 2
    this.#slots = isAlone ? slotsMax : slotsOfUse(this.#slots, { inUse, waiting: callsWaiting() }, slotsMax)
    pool.maxInFlight = this.#slots
  }
}

function claimOf(promotion: Promotion | undefined, most: number): SlotClaim {
  const { weight = 1, deadlineAt } = promotion ?? {}
  const leftMs = deadlineAt == null ? 0 : Date.parse(deadlineAt) - Date.now()
  return { weight, most, ...(leftMs > 0 ? { leftMs } : {}) }
}
