import type { EventProviderService } from '#kafka/event-provider.ts'

/** Where a message stood in Kafka, and its value as it came. */
export interface MessageOrigin {
  topic: string
  partition: number
  offset: string
  value: Buffer | null
  /** When its record was written, in ms since the epoch. */
  timestampMs?: number
  /** W3C trace context to hand on; only while gifts are traced. */
  traceparent?: string
}

/** So much of a value is kept: two messages of one place whose values begin alike for so long are taken for one. */
export const MAX_VALUE_BYTES = 64 * 1024
const MAX_REASON_LENGTH = 500

/** Sends what cannot be a gift to the invalid topic, with the reason; at least once. */
export class InvalidMessageReporter {
  readonly #events: EventProviderService
  readonly #topic: string

  constructor(events: EventProviderService, topic: string) {
    this.#events = events
    this.#topic = topic
  }

  /** Resolves when Kafka has it: only then may the offset be committed. */
  report({ topic, partition, offset, value }: MessageOrigin, reason: string): Promise<void> {
    return this.#events.publish({
      topic: this.#topic,
      key: `${topic}-${partition}-${offset}`,
      value: JSON.stringify({
        topic,
        partition,
        offset,
        reason: reason.slice(0, MAX_REASON_LENGTH),
        valueBase64: (value ?? Buffer.alloc(0)).subarray(0, MAX_VALUE_BYTES).toString('base64'),
      }),
    })
  }
}
