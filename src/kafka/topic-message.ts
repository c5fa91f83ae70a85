import type { KafkaMessage } from 'kafkajs'
import { isTracing } from '#runtime/tracing.ts'

/** One record, where it stood, and its value as it came. */
export interface TopicMessage {
  topic: string
  partition: number
  offset: string
  key: Buffer | null
  value: Buffer | null
  /** When the record was written, in ms since the epoch; missing where nobody says. */
  timestampMs?: number
  /** W3C trace context of whoever wrote it; only while gifts are traced. */
  traceparent?: string
}

export function toTopicMessage(
  topic: string,
  partition: number,
  message: Pick<KafkaMessage, 'offset' | 'key' | 'value' | 'timestamp' | 'headers'>,
): TopicMessage {
  const { offset, key, value } = message
  const timestampMs = Number(message.timestamp)
  const origin: TopicMessage =
    timestampMs > 0 ? { topic, partition, offset, key, value, timestampMs } : { topic, partition, offset, key, value }
  const traceparent = message.headers?.traceparent
  if (isTracing() && traceparent !== undefined && !Array.isArray(traceparent))
    origin.traceparent = traceparent.toString()
  return origin
}
