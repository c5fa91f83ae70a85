import type { KafkaClient } from './client.ts'

/** How many records a topic has been given and still holds, over all partitions. */
export async function countRecords(kafka: KafkaClient, topic: string): Promise<number> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const offsets = await admin.fetchTopicOffsets(topic)
    return offsets.reduce((sum, { high, low }) => sum + Number(BigInt(high) - BigInt(low)), 0)
  } finally {
    await admin.disconnect()
  }
}
