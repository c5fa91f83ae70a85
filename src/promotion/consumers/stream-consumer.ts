import type { PromotionEntry } from '#queues/promotion-stream.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Outcome, retryLater, type StreamEntry } from '#stream/index.ts'
import { EntryTrace } from './entry-trace.ts'

/** The part of a processor that a consumer needs. */
export interface StreamMessageProcessor {
  processStreamMessage(json: string, signal?: AbortSignal): Promise<Outcome | undefined>
  markPoison(json: string, deliveries: number): Promise<void>
}

/** Pause before an entry is tried again whose processing failed for no fault of its own, in ms: jittered. */
const FAILURE_DELAY_MS = 500

/**
 * The planning documents' `PromotionStreamConsumer`: hands an entry to its processor, and acknowledges only what is
 * settled.
 */
export class PromotionStreamConsumer {
  readonly #processor: StreamMessageProcessor
  readonly #logger: Logger
  readonly #onDead: (reason: string) => void
  readonly #onDelivery: (isRepeated: boolean) => void
  readonly #trace = new EntryTrace()

  constructor(deps: {
    processor: StreamMessageProcessor
    logger: Logger
    onDead(reason: string): void
    onDelivery?(isRepeated: boolean): void
  }) {
    this.#processor = deps.processor
    this.#logger = deps.logger
    this.#onDead = deps.onDead
    this.#onDelivery = deps.onDelivery ?? (() => undefined)
  }

  /** Never rejects. Undefined = acknowledge; an error keeps the entry pending and costs no delivery. */
  readonly onMessage = (entry: StreamEntry<PromotionEntry>, signal: AbortSignal): Promise<Outcome | undefined> =>
    this.#trace.around(entry, () => this.#handle(entry, signal))

  async #handle(entry: StreamEntry<PromotionEntry>, signal: AbortSignal): Promise<Outcome | undefined> {
    this.#onDelivery(entry.deliveries > 1)
    try {
      const outcome = await this.#processor.processStreamMessage(entry.fields.message ?? '', signal)
      if (outcome?.kind === 'dead-letter') this.#onDead(outcome.reason)
      return outcome
    } catch (error) {
      this.#logger.warn(
        { err: toError(error), stream: entry.stream, entryId: entry.id },
        `entry kept: ${errorLine(error)}`,
      )
      return retryLater({ reason: errorLine(error), delayMs: FAILURE_DELAY_MS * (1 + Math.random()) })
    }
  }

  /** Redis has acknowledged and deleted them. */
  readonly onAcknowledged = (ids: readonly string[]): void => this.#trace.acknowledged(ids)

  /** Before the framework dead-letters an entry whose deliveries killed their processes. */
  readonly onPoison = async (entry: StreamEntry<PromotionEntry>): Promise<void> => {
    await this.#processor.markPoison(entry.fields.message ?? '', entry.deliveries)
    this.#onDead('poison')
  }
}
