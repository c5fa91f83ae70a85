import type { Service } from '#runtime/service.ts'
import type { KafkaClient } from './client.ts'
import { createKeptAdmin } from './kept-admin.ts'

/** Asks whether Kafka answers, over one connection that is kept. */
export interface BrokerProbe extends Service {
  /** Rejects when no broker answers. */
  ping(): Promise<void>
}

/** Does not connect before it is asked; a client that failed is replaced. */
export function createBrokerProbe(kafka: KafkaClient): BrokerProbe {
  const { ask, ...life } = createKeptAdmin('broker-probe', kafka, { retries: 0 })
  return { ...life, ping: async () => void (await ask(admin => admin.describeCluster())) }
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
