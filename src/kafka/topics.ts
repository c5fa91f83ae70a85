import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { errorLine } from '#runtime/errors.ts'
import type { KafkaClient } from './client.ts'
import { kafkaUnreachable } from './refusal.ts'

const ATTEMPTS = 20
const PAUSE_MS = 250

/** Creates the topics that are missing; those that exist stay as they are. Several processes may do so at once. */
export async function ensureTopics(kafka: KafkaClient, topics: readonly string[], partitions: number): Promise<void> {
  const admin = kafka.admin({ retry: { retries: 4, initialRetryTime: 200 } })
  try {
    await admin.connect()
    for (let attempt = 1; !(await tryOnce(admin, topics, partitions, attempt === ATTEMPTS)); attempt++)
      await sleep(PAUSE_MS)
  } catch (cause) {
    throw kafkaUnreachable(cause)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** A topic that was made a moment ago, by us or by another process, may have no leader yet: false. */
async function tryOnce(admin: Admin, topics: readonly string[], partitions: number, isLast: boolean): Promise<boolean> {
  try {
    await createMissing(admin, topics, partitions)
    const { topics: known } = await admin.fetchTopicMetadata({ topics: [...topics] })
    return known.every(topic => topic.partitions.length > 0 && topic.partitions.every(({ leader }) => leader >= 0))
  } catch (error) {
    if (isLast || (error as { retriable?: boolean }).retriable === false) throw error
    return false
  }
}

async function createMissing(admin: Admin, topics: readonly string[], partitions: number): Promise<void> {
  const existing = new Set(await admin.listTopics())
  const missing = topics.filter(topic => !existing.has(topic))
  if (missing.length === 0) return
  const wanted = missing.map(topic => ({ topic, numPartitions: partitions, replicationFactor: -1 }))
  try {
    await admin.createTopics({ waitForLeaders: false, topics: wanted })
  } catch (error) {
    // A cluster without a controller (librdkafka's mock) creates a topic when it is asked about it.
    if (!errorLine(error).includes('not found in the cached metadata')) throw error
  }
}

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
