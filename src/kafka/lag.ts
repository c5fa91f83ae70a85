import { type Service, service } from '#runtime/service.ts'
import type { KafkaClient } from './client.ts'

/** How far behind a consumer group is, in messages. Never waits for a broker longer than kafkajs's own tries. */
export interface LagReader extends Service {
  /** Rejects when Kafka does not answer; a group that has committed nothing is behind by the whole topic. */
  read(groupId: string, topic: string): Promise<number>
  /** Has the group a member? Rejects when Kafka does not answer. */
  hasMembers(groupId: string): Promise<boolean>
}

/** Does not connect before it is asked; an admin client that failed is replaced. */
export function createLagReader(kafka: KafkaClient): LagReader {
  const create = () => kafka.admin({ retry: { retries: 1, initialRetryTime: 200 } })
  let client: Promise<ReturnType<typeof create>> | undefined
  const connected = () => {
    client ??= (async () => {
      const admin = create()
      await admin.connect()
      return admin
    })()
    return client
  }
  const close = async () => {
    const closing = client
    client = undefined
    await closing?.then(admin => admin.disconnect()).catch(() => undefined)
  }
  return {
    ...service('lag-reader', { start: async () => undefined, stop: close }),
    read: async (groupId, topic) => {
      try {
        const admin = await connected()
        const [ends, [committed]] = await Promise.all([
          admin.fetchTopicOffsets(topic),
          admin.fetchOffsets({ groupId, topics: [topic] }),
        ])
        const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
        return ends.reduce((sum, { partition, high, low }) => {
          const from = Math.max(Number(low), at.get(partition) ?? 0)
          return sum + Math.max(0, Number(high) - from)
        }, 0)
      } catch (error) {
        await close()
        throw error
      }
    },
    hasMembers: async groupId => {
      try {
        const { groups } = await (await connected()).describeGroups([groupId])
        return (groups[0]?.members.length ?? 0) > 0
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}
