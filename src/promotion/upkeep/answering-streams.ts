import type { Promotion } from '#database/promotions/promotions.ts'
import type { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import { within } from '#runtime/within.ts'

export interface AnsweringStreamsDeps {
  producer: Pick<PromotionStreamProducer, 'room'>
  streams: Readonly<Record<PromotionType, PromotionStream>>
}

/** Longer than a shard that works takes to answer, in ms; so long a round waits once for one that does not. */
const ANSWER_MS = 500

/**
 * Which promotions a round may turn to: on a shard that is away each command would wait for its time-out, and the
 * promotions of all other shards behind it. What is left out has its turn in a later round.
 */
export class AnsweringStreams {
  readonly #deps: AnsweringStreamsDeps
  readonly #asking = new Set<string>()

  constructor(deps: AnsweringStreamsDeps) {
    this.#deps = deps
  }

  /** Those whose stream gives an answer, be it a refusal; never rejects. One that still owes its last one is not asked. */
  async of(promotions: readonly Promotion[]): Promise<Promotion[]> {
    const asked = promotions.filter(({ id }) => !this.#asking.has(id))
    const answered = new Set<string>()
    const all = Promise.all(
      asked.map(async ({ id, type }) => {
        this.#asking.add(id)
        await this.#deps.producer.room(this.#deps.streams[type].streamKey(id)).catch(() => undefined)
        this.#asking.delete(id)
        answered.add(id)
      }),
    )
    await within<unknown>(all, ANSWER_MS, () => undefined)
    return asked.filter(({ id }) => answered.has(id))
  }
}
