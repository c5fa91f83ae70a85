import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionStreams } from '#queues/promotion-stream.ts'
import type { Logger } from '#runtime/logger.ts'
import { AnsweringStreams } from './answering-streams.ts'
import { guarded } from './guarded.ts'
import { createRefillCursor, type RefillCursor, type RefillDeps, refill } from './refill.ts'

/** Each is a transaction: a fraction of the process's database connections. */
const REFILLS_AT_ONCE = 3

/**
 * Fills the streams of the promotions that run, in rounds of its own: filling a big promotion's window does not keep the
 * others from following their status.
 */
export class RefillRounds {
  readonly #deps: RefillDeps & { streams: PromotionStreams; logger: Logger }
  /** Promotions that may have rows without an entry. */
  readonly #backlog = new Map<string, Promotion>()
  readonly #cursors = new Map<string, RefillCursor>()
  readonly #answering: AnsweringStreams

  constructor(deps: RefillDeps & { streams: PromotionStreams; logger: Logger }) {
    this.#deps = deps
    this.#answering = new AnsweringStreams(deps)
  }

  /** It runs: it has its turn in the next round. */
  add(promotion: Promotion): void {
    this.#backlog.set(promotion.id, promotion)
  }

  /** All others run no more. */
  keepOnly(runningIds: ReadonlySet<string>): void {
    for (const id of this.#backlog.keys()) if (!runningIds.has(id)) this.#backlog.delete(id)
    for (const id of this.#cursors.keys()) if (!runningIds.has(id)) this.#cursors.delete(id)
  }

  /** A turn for every promotion that may have rows without an entry; bounded, so that none waits long for its own. */
  async round(): Promise<void> {
    const rest = await this.#answering.of([...this.#backlog.values()])
    const fillNext = async () => {
      for (let next = rest.pop(); next !== undefined; next = rest.pop()) await this.#tryToFill(next)
    }
    await Promise.all(Array.from({ length: REFILLS_AT_ONCE }, fillNext))
  }

  /** One that fails does not keep the others from theirs, and is tried again when it is added again. */
  async #tryToFill(promotion: Promotion): Promise<void> {
    this.#backlog.delete(promotion.id)
    await guarded({ promotionId: promotion.id }, this.#deps.logger, () => this.#fill(promotion))
  }

  async #fill(promotion: Promotion): Promise<void> {
    const { streams, logger } = this.#deps
    const cursor = this.#cursors.get(promotion.id) ?? createRefillCursor()
    this.#cursors.set(promotion.id, cursor)
    const { moved, isMoreLeft } = await refill(promotion, streams[promotion.type], this.#deps, { cursor })
    if (isMoreLeft) this.#backlog.set(promotion.id, promotion)
    if (moved > 0) logger.debug({ promotionId: promotion.id, moved }, 'stream refilled from rows')
  }
}
