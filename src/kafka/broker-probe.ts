import { type Service, service } from '#runtime/service.ts'
import type { KafkaClient } from './client.ts'

/** Asks whether Kafka answers, over one connection that is kept. */
export interface BrokerProbe extends Service {
  /** Rejects when no broker answers. */
  ping(): Promise<void>
}

/** Does not connect before it is asked; a client that failed is replaced. */
export function createBrokerProbe(kafka: KafkaClient): BrokerProbe {
  const create = () => kafka.admin({ retry: { retries: 0 } })
  let client: Promise<ReturnType<typeof create>> | undefined
  const connect = async () => {
    const admin = create()
    await admin.connect()
    return admin
  }
  const close = async () => {
    const closing = client
    client = undefined
    await closing?.then(admin => admin.disconnect()).catch(() => undefined)
  }
  return {
    ...service('broker-probe', { start: async () => undefined, stop: close }),
    ping: async () => {
      client ??= connect()
      try {
        await (await client).describeCluster()
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}

/**
 * Does what a consumer of that group needs to go on, over new connections: finds the group's coordinator, and the leader of
 * every partition. Rejects when any of it does not answer.
 */
export async function probeGroup(kafka: KafkaClient, groupId: string, topic: string): Promise<void> {
  const admin = kafka.admin({ retry: { retries: 0 } })
  try {
    await admin.connect()
    await Promise.all([admin.fetchOffsets({ groupId, topics: [topic] }), admin.fetchTopicOffsets(topic)])
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
