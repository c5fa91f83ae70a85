import type { Service } from '#runtime/service.ts'
import type { KafkaClient } from './client.ts'
import { createKeptAdmin } from './kept-admin.ts'

/** How far behind a consumer group is, in messages. Never waits for a broker longer than kafkajs's own tries. */
export interface LagReader extends Service {
  /** Rejects when Kafka does not answer; a group that has committed nothing is behind by the whole topic. */
  read(groupId: string, topic: string): Promise<number>
  /** Has the group a member? Rejects when Kafka does not answer. */
  hasMembers(groupId: string): Promise<boolean>
}

/** Does not connect before it is asked; an admin client that failed is replaced. */
export function createLagReader(kafka: KafkaClient): LagReader {
  const { ask, ...life } = createKeptAdmin('lag-reader', kafka, { retries: 1, initialRetryTime: 200 })
  return {
    ...life,
    read: (groupId, topic) =>
      ask(async admin => {
        const [ends, [committed]] = await Promise.all([
          admin.fetchTopicOffsets(topic),
          admin.fetchOffsets({ groupId, topics: [topic] }),
        ])
        const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
        return ends.reduce((sum, { partition, high, low }) => {
          const from = Math.max(Number(low), at.get(partition) ?? 0)
          return sum + Math.max(0, Number(high) - from)
        }, 0)
      }),
    hasMembers: groupId =>
      ask(async admin => {
        const { groups } = await admin.describeGroups([groupId])
        return (groups[0]?.members.length ?? 0) > 0
      }),
  }
}
