import type { Counted, Ended, ErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'
import { singleFlight } from '#runtime/single-flight.ts'

/** Fewer gifts than this in a minute say nothing. */
const MIN_GIFTS = 100
/** How often what this process has counted is told to the others, in ms. */
const FLUSH_INTERVAL_MS = 2000

export interface ErrorBudgetOptions {
  repository: ErrorBudgetRepository
  /** `PROMOTION_MAX_FAILED_SHARE`; 1 = never. */
  maxShare: number
  /** The promotion is paused: what is known of its status is out of date. */
  onPaused(promotionId: string): void
  logger: Logger
}

/** Did more than this share of enough gifts FAIL? */
export function isOverBudget({ settled, failed }: Ended, maxShare: number): boolean {
  return settled >= MIN_GIFTS && failed > maxShare * settled
}

/**
 * Pauses a promotion of which more than the share that is set FAILED, over all instances, within a minute: FAILED is final,
 * and a Money API that refuses most gifts is more likely wrong than they are. What a process that ends has counted since
 * its last flush is lost; nothing else hangs on it.
 */
export class ErrorBudget {
  readonly #options: ErrorBudgetOptions
  #counts = new Map<string, Ended & { sinceMs: number }>()
  #timer: NodeJS.Timeout | undefined
  readonly service: Service

  constructor(options: ErrorBudgetOptions) {
    this.#options = options
    this.service = service('error-budget', {
      start: async () => {
        if (this.#isOn) this.#timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS)
      },
      stop: async () => clearInterval(this.#timer),
    })
  }

  get #isOn(): boolean {
    return this.#options.maxShare < 1
  }

  /** A gift has come to its end, as its row says. */
  add(promotionId: string, isFailed: boolean): void {
    if (!this.#isOn) return
    const count = this.#count(promotionId, { settled: 1, failed: isFailed ? 1 : 0, sinceMs: performance.now() })
    // A quick one would be through before the next flush.
    if (isFailed && isOverBudget(count, this.#options.maxShare)) void this.flush()
  }

  #count(promotionId: string, { settled, failed, sinceMs }: Ended & { sinceMs: number }): Ended {
    const count = this.#counts.get(promotionId) ?? { settled: 0, failed: 0, sinceMs }
    count.sinceMs = Math.min(count.sinceMs, sinceMs)
    count.settled += settled
    count.failed += failed
    this.#counts.set(promotionId, count)
    return count
  }

  /** Never rejects: counts that could not be told go with the next. */
  readonly flush = singleFlight(() => this.#flush())

  async #flush(): Promise<void> {
    const counts = this.#counts
    if (counts.size === 0) return
    this.#counts = new Map()
    try {
      const sums = await this.#options.repository.add(withAges(counts)).catch(error => {
        for (const [promotionId, count] of counts) this.#count(promotionId, count)
        throw error
      })
      for (const [promotionId, sum] of sums)
        if (isOverBudget(sum, this.#options.maxShare)) await this.#pause(promotionId, sum)
    } catch (error) {
      this.#options.logger.warn({ err: toError(error) }, `error budget not looked at: ${errorLine(error)}`)
    }
  }

  async #pause(promotionId: string, { settled, failed }: Ended): Promise<void> {
    const { repository, maxShare, onPaused, logger } = this.#options
    const reason = `${failed} of ${settled} gifts FAILED within a minute, more than PROMOTION_MAX_FAILED_SHARE (${maxShare}) allows`
    const isOurs = await repository.pause(promotionId, reason)
    onPaused(promotionId)
    if (isOurs) logger.error({ promotionId, settled, failed }, `promotion paused: ${reason}`)
  }
}

function withAges(counts: ReadonlyMap<string, Ended & { sinceMs: number }>): Map<string, Counted> {
  const nowMs = performance.now()
  return new Map(
    [...counts].map(([id, { settled, failed, sinceMs }]) => [id, { settled, failed, ageMs: nowMs - sinceMs }]),
  )
}
