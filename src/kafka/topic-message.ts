import type { KafkaMessage } from 'kafkajs'

/** One record, where it stood, and its value as it came. */
export interface TopicMessage {
  topic: string
  partition: number
  offset: string
  key: Buffer | null
  value: Buffer | null
  /** When the record was written, in ms since the epoch; missing where nobody says. */
  timestampMs?: number
}

export function toTopicMessage(
  topic: string,
  partition: number,
  message: Pick<KafkaMessage, 'offset' | 'key' | 'value' | 'timestamp'>,
): TopicMessage {
  const { offset, key, value } = message
  const timestampMs = Number(message.timestamp)
  return timestampMs > 0
    ? { topic, partition, offset, key, value, timestampMs }
    : { topic, partition, offset, key, value }
}
