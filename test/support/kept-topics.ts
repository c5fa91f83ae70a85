import type { KafkaClient } from '#kafka/client.ts'

export interface KeptRecord {
  offset: number
  value: string | Buffer | null
  timestampMs?: number
}

/** What a partition keeps; `low` and `high` where they are not those of its records. */
export interface KeptPartition {
  records: readonly KeptRecord[]
  low?: number
  high?: number
}

/**
 * A Kafka without brokers, of topics that hold what they hold: partitions by their number, and what a group has committed
 * there, as `group/topic`. `read` = the topics that were read.
 */
export function keptTopics(
  topics: Readonly<Record<string, readonly KeptPartition[]>>,
  committed: Readonly<Record<string, readonly number[]>> = {},
): { kafka: KafkaClient; read: string[] } {
  const read: string[] = []
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    deleteGroups: async () => undefined,
    listTopics: async () => Object.keys(topics),
    fetchTopicOffsets: async (topic: string) => topics[topic]?.map((kept, partition) => rangeOf(kept, partition)),
    fetchOffsets: async ({ groupId, topics: [topic] }: { groupId: string; topics: string[] }) => {
      if (topic === undefined || topics[topic] === undefined) throw new Error(`there is no topic ${topic}`)
      const offsets = committed[`${groupId}/${topic}`] ?? []
      return [{ topic, partitions: offsets.map((offset, partition) => ({ partition, offset: String(offset) })) }]
    },
  }
  const consumer = () => {
    const heard = new Map<string, (event: { payload: object }) => void>()
    let subscribed: readonly string[] = []
    const hand = async (eachBatch: (payload: object) => Promise<void>) => {
      for (const topic of subscribed) {
        read.push(topic)
        for (const [partition, kept] of (topics[topic] ?? []).entries()) {
          const messages = kept.records.map(recordOf)
          await eachBatch({ batch: { topic, partition, messages }, heartbeat: async () => undefined })
          const lastOffset = String(BigInt(rangeOf(kept, partition).high) - 1n)
          heard.get('end')?.({ payload: { topic, partition, lastOffset } })
        }
      }
    }
    return {
      events: { CRASH: 'crash', END_BATCH_PROCESS: 'end' },
      on: (event: string, listener: (event: { payload: object }) => void) => void heard.set(event, listener),
      connect: async () => undefined,
      disconnect: async () => undefined,
      subscribe: async (to: { topics: readonly string[] }) => {
        subscribed = to.topics
      },
      run: async ({ eachBatch }: { eachBatch(payload: object): Promise<void> }) => {
        // What a handler rejects with has been told by then.
        hand(eachBatch).catch(() => undefined)
      },
    }
  }
  return { kafka: { admin: () => admin, consumer } as unknown as KafkaClient, read }
}

function rangeOf({ records, low, high }: KeptPartition, partition: number) {
  const first = low ?? records.at(0)?.offset ?? 0
  return { partition, low: String(first), high: String(high ?? (records.at(-1)?.offset ?? first - 1) + 1) }
}

function recordOf({ offset, value, timestampMs }: KeptRecord) {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return { offset: String(offset), key: null, value: bytes, timestamp: String(timestampMs ?? 0) }
}
