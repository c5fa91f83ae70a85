import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import type { KafkaClient } from '#kafka/client.ts'
import { fetchCommitted, fetchRanges } from '#kafka/topic-reader.ts'

/** A topic of its own, as the test wants it. */
export async function createTopic(
  kafka: KafkaClient,
  topic: string,
  { partitions = 1, settings = {} }: { partitions?: number; settings?: Record<string, string> } = {},
): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
  })
  // The wait of kafkajs itself ends with an error where a broker has not heard of the topic yet.
  for (const end = Date.now() + 20_000; !(await hasLeaders(admin, topic, partitions)); await sleep(20))
    if (Date.now() > end) throw new Error(`waited 20 s for the leaders of ${topic}`)
  await admin.disconnect()
}

function hasLeaders(admin: Admin, topic: string, partitions: number): Promise<boolean> {
  return admin.fetchTopicMetadata({ topics: [topic] }).then(
    ({ topics: [known] }) =>
      known?.partitions.length === partitions && known.partitions.every(({ leader }) => leader >= 0),
    () => false,
  )
}

/** Until no broker knows it any more. */
export async function deleteTopic(kafka: KafkaClient, topic: string): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  for (const end = Date.now() + 20_000; (await admin.listTopics()).includes(topic); await sleep(50))
    if (Date.now() > end) throw new Error(`waited 20 s for ${topic} to be gone`)
  await admin.disconnect()
}

/** How far a group is behind the topic's end, control records included. */
export async function lagOf(kafka: KafkaClient, groupId: string, topic: string): Promise<number> {
  const [ranges, committed] = await Promise.all([
    fetchRanges(kafka, [topic]),
    fetchCommitted(kafka, groupId, topic).catch(() => new Map<number, bigint>()),
  ])
  return (ranges.get(topic) ?? []).reduce(
    (sum, { partition, high, low }) => sum + Number(high - (committed.get(partition) ?? low)),
    0,
  )
}
