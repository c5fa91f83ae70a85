import type { Kafka } from 'kafkajs'
import { CodedError, errorLine } from '#runtime/errors.ts'

/** Makes the topics that are missing; those that exist stay as they are. */
export async function ensureTopics(kafka: Kafka, topics: readonly string[], partitions: number): Promise<void> {
  const admin = kafka.admin({ retry: { retries: 4, initialRetryTime: 200 } })
  try {
    await admin.connect()
    const existing = new Set(await admin.listTopics())
    const missing = topics.filter(topic => !existing.has(topic))
    if (missing.length === 0) return
    await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map(topic => ({ topic, numPartitions: partitions, replicationFactor: -1 })),
    })
  } catch (cause) {
    throw new CodedError('KAFKA_UNREACHABLE', `Kafka (KAFKA_BROKERS) cannot be used: ${errorLine(cause)}`, { cause })
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
