import { LRUCache } from 'lru-cache'
import { type PromotionEntry, TRACE_FIELD } from '#queues/promotion-stream.ts'
import { activeTraceparent, isTracing, recordSpan, withSpan } from '#runtime/tracing.ts'
import type { Outcome, StreamEntry } from '#stream/index.ts'

interface Paid {
  traceparent: string
  endMs: number
}

/** More than a consumer has between handler and acknowledgement; what is never acknowledged falls out. */
const MAX_WAITING = 10_000

/** One stream's entries as spans: from the slot to the end of the handler, and from there until Redis has the acknowledgement. */
export class EntryTrace {
  readonly #paid = new LRUCache<string, Paid>({ max: MAX_WAITING })

  /** Goes on with the trace of the intake; an entry that refill has added begins one of its own. */
  around(
    { id, stream, deliveries, fields }: StreamEntry<PromotionEntry>,
    handle: () => Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    if (!isTracing()) return handle()
    const attributes = {
      'messaging.system': 'redis',
      'messaging.destination.name': stream,
      'messaging.message.id': id,
      'promostream.deliveries': deliveries,
    }
    return withSpan('gift payment', { kind: 'consumer', parent: fields[TRACE_FIELD], attributes }, async annotate => {
      const outcome = await handle()
      const traceparent = activeTraceparent()
      if (outcome !== undefined) annotate({ 'promostream.outcome': outcome.kind })
      else if (traceparent !== undefined) this.#paid.set(id, { traceparent, endMs: Date.now() })
      return outcome
    })
  }

  acknowledged(ids: readonly string[]): void {
    if (this.#paid.size === 0) return
    for (const id of ids) {
      const paid = this.#paid.get(id)
      if (paid === undefined) continue
      this.#paid.delete(id)
      const span = { kind: 'consumer', parent: paid.traceparent } as const
      recordSpan('gift acknowledgement', span, { startMs: paid.endMs, endMs: Date.now() })
    }
  }
}
