import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionEntry } from '#queues/promotion-stream.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { StreamQueue, StreamWorker } from '#stream/index.ts'

/** One promotion's consumers in this process. */
export interface ConsumerContext {
  promotionId: string
  type: PromotionType
  worker: StreamWorker<PromotionEntry>
  queue: StreamQueue<PromotionEntry>
}

/** Why a promotion's consumers wait. Each reason is taken back by whoever gave it; the last one taken back resumes. */
export type PauseReason = 'promotion-paused' | 'money-api'

/** The planning documents' `PromotionConsumerRegistry`: which promotions this process consumes, one context each. */
export class PromotionConsumerRegistry {
  readonly #contexts = new Map<string, Promise<ConsumerContext>>()
  readonly #running = new Map<string, ConsumerContext>()
  /** Taken down, handlers still in flight: no longer registered, but the process's stop waits for them. */
  readonly #closing = new Map<Promise<ConsumerContext>, Promise<void>>()
  readonly #reasonsByPromotion = new Map<string, Set<PauseReason>>()
  readonly #reasonsForAll = new Set<PauseReason>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Ids of the promotions that are registered or about to be. */
  get promotionIds(): string[] {
    return [...this.#contexts.keys()]
  }

  /** Those whose consumers are up. */
  get contexts(): ConsumerContext[] {
    return [...this.#running.values()]
  }

  get(promotionId: string): Promise<ConsumerContext> | undefined {
    return this.#contexts.get(promotionId)
  }

  /** Creates the context unless there is one; of one that failed nothing stays. */
  register(promotionId: string, create: () => Promise<ConsumerContext>): Promise<ConsumerContext> {
    const known = this.#contexts.get(promotionId)
    if (known !== undefined) return known
    const context = create()
    this.#contexts.set(promotionId, context)
    context.then(
      made => {
        if (this.#contexts.get(promotionId) !== context) return
        this.#running.set(promotionId, made)
        this.#follow(made)
      },
      () => {
        if (this.#contexts.get(promotionId) === context) this.#contexts.delete(promotionId)
      },
    )
    return context
  }

  /** What is in flight stays in flight, nothing new is begun. Without an id: all promotions, also those to come. */
  pause(reason: PauseReason, promotionId?: string): void {
    this.#reasons(promotionId).add(reason)
    this.#followAll(promotionId)
  }

  release(reason: PauseReason, promotionId?: string): void {
    this.#reasons(promotionId).delete(reason)
    this.#followAll(promotionId)
  }

  #reasons(promotionId: string | undefined): Set<PauseReason> {
    if (promotionId === undefined) return this.#reasonsForAll
    const reasons = this.#reasonsByPromotion.get(promotionId) ?? new Set()
    this.#reasonsByPromotion.set(promotionId, reasons)
    return reasons
  }

  #followAll(promotionId: string | undefined): void {
    for (const context of this.contexts) {
      if (promotionId === undefined || context.promotionId === promotionId) this.#follow(context)
    }
  }

  #follow({ promotionId, worker }: ConsumerContext): void {
    const isPaused = this.#reasonsForAll.size > 0 || this.#reasons(promotionId).size > 0
    if (!isPaused) worker.resume()
    else if (!worker.isPaused()) void worker.pause(true)
  }

  /**
   * Stops reading, lets handlers finish until the deadline, leaves the rest pending for other instances. The promotion
   * is off the register at once: one that is started again meanwhile gets new consumers, beside what the old ones still
   * hold.
   */
  async shutdown(promotionId: string, deadline?: AbortSignal): Promise<void> {
    const context = this.#contexts.get(promotionId)
    if (context === undefined) return
    this.#contexts.delete(promotionId)
    this.#running.delete(promotionId)
    this.#reasonsByPromotion.delete(promotionId)
    const closing = this.#close(promotionId, context, deadline)
    this.#closing.set(context, closing)
    await closing
    this.#closing.delete(context)
  }

  async #close(promotionId: string, context: Promise<ConsumerContext>, deadline?: AbortSignal): Promise<void> {
    try {
      await (await context).worker.close(false, deadline)
    } catch (error) {
      this.#logger.error({ err: toError(error), promotionId }, `consumers did not close: ${errorLine(error)}`)
    }
  }

  /**
   * The planning documents' `@PreDestroy`. Waits for those that were taken down before, too; they had no deadline yet.
   */
  async shutdownAll(deadline?: AbortSignal): Promise<void> {
    for (const promotionId of this.promotionIds) void this.shutdown(promotionId, deadline)
    const abort = () => {
      for (const context of this.#closing.keys())
        void context.then(({ worker }) => worker.close(true)).catch(() => undefined)
    }
    if (deadline?.aborted) abort()
    deadline?.addEventListener('abort', abort, { once: true })
    await Promise.all(this.#closing.values())
    deadline?.removeEventListener('abort', abort)
  }

  /**
   * Removes stream and group of a promotion that has ended, with whatever repeats are left on it. Safe beside other
   * instances: the database has said that nothing is to be done for it any more, and removing twice changes nothing.
   */
  async cleanupStream(queue: StreamQueue<PromotionEntry>): Promise<void> {
    await queue.obliterate()
  }
}
