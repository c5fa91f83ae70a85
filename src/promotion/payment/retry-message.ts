import { type EventProviderService, isTooLarge } from '#kafka/event-provider.ts'
import { extendMessage } from '#promotion/intake/gift-message.ts'
import { toError } from '#runtime/errors.ts'
import { activeTraceparent } from '#runtime/tracing.ts'

export interface RetryMessage {
  topic: string
  /** The message as Kafka had it. */
  json: string
  /** What the row says, by the names of the message's fields. */
  ids: Record<string, string> & { partitionKey: string }
  attempt: number
  lastError: string
  /** How long the Money API asked us to wait, in ms. */
  retryAfterMs?: number | undefined
}

const MAX_ERROR_LENGTH = 1000

/**
 * Publishes a gift's retry message: the original and what became of it. What the topic does not take because our fields
 * made it too large goes without the fields that nobody here reads; those stay in the row's message. At least once.
 */
export async function publishRetryMessage(
  events: Pick<EventProviderService, 'publish'>,
  { topic, json, ids, attempt, lastError, retryAfterMs }: RetryMessage,
): Promise<void> {
  const notBefore = retryAfterMs === undefined ? {} : { notBefore: Date.now() + retryAfterMs }
  const extra = { attempt, lastError: lastError.slice(0, MAX_ERROR_LENGTH).toWellFormed(), ...notBefore }
  const traceparent = activeTraceparent()
  const headers = traceparent === undefined ? {} : { headers: { traceparent } }
  const publish = (value: string) => events.publish({ topic, key: ids.partitionKey, value, ...headers })
  try {
    await publish(extendMessage(json, ids, extra))
  } catch (error) {
    if (!isTooLarge(toError(error))) throw error
    // The key says it once more, and may be most of what is too large.
    const { partitionKey: _, ...others } = ids
    await publish(extendMessage('{}', others, extra))
  }
}
