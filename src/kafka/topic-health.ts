import kafkajs, { type Admin } from 'kafkajs'
import { errorLine } from '#runtime/errors.ts'
import { askAgain } from './ask-again.ts'
import type { KafkaClient } from './client.ts'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes } = kafkajs

/** What a topic is like; settings by Kafka's own names. */
export interface TopicHealth {
  partitions: number
  /** Partitions that nobody leads: they take no messages. */
  leaderless: number
  /** Fewest replicas in sync of any partition. */
  inSync: number
  settings: ReadonlyMap<string, string>
}

/** Where a group stands in one topic, in messages. */
export interface GroupHealth {
  members: number
  /** Not yet read. */
  lag: bigint
  /** Deleted before the group had read them. */
  deleted: bigint
  /** Partitions whose committed offset lies beyond the end: the topic was made again. */
  beyondEnd: number
}

const SETTINGS = ['retention.ms', 'retention.bytes', 'cleanup.policy', 'compression.type', 'min.insync.replicas']

/** A topic that does not exist is missing. Rejects with kafkajs's error. */
export async function readTopicHealth(admin: Admin, topics: readonly string[]): Promise<Map<string, TopicHealth>> {
  const existing = new Set(await admin.listTopics())
  const known = topics.filter(topic => existing.has(topic))
  if (known.length === 0) return new Map()
  const [{ topics: metadata }, { resources }] = await Promise.all([
    admin.fetchTopicMetadata({ topics: known }),
    admin.describeConfigs({
      includeSynonyms: false,
      resources: known.map(name => ({ type: ConfigResourceTypes.TOPIC, name, configNames: SETTINGS })),
    }),
  ])
  const settings = new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue] as const)),
    ]),
  )
  return new Map(
    metadata.map(({ name, partitions }) => [
      name,
      {
        partitions: partitions.length,
        leaderless: partitions.filter(({ leader }) => leader < 0).length,
        inSync: Math.min(...partitions.map(({ isr }) => isr.length)),
        settings: settings.get(name) ?? new Map(),
      },
    ]),
  )
}

/** A group that never committed is behind by all that the topic holds. */
export async function readGroupHealth(admin: Admin, groupId: string, topic: string): Promise<GroupHealth> {
  const [ends, [committed], { groups }] = await Promise.all([
    admin.fetchTopicOffsets(topic),
    admin.fetchOffsets({ groupId, topics: [topic] }),
    admin.describeGroups([groupId]),
  ])
  const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]))
  const health: GroupHealth = { members: groups[0]?.members.length ?? 0, lag: 0n, deleted: 0n, beyondEnd: 0 }
  for (const { partition, low, high } of ends) {
    const [first, end, next] = [BigInt(low), BigInt(high), at.get(partition) ?? -1n]
    health.lag += atLeastZero(end - (next > first ? next : first))
    if (next >= 0n && next < first) health.deleted += first - next
    if (next > end) health.beyondEnd += 1
  }
  return health
}

function atLeastZero(count: bigint): bigint {
  return count > 0n ? count : 0n
}

/** The codecs of Kafka that do not work here, with why. */
export async function findBrokenCodecs(): Promise<string[]> {
  const text = Buffer.from('a gift '.repeat(100))
  const broken: string[] = []
  for (const [name, type] of Object.entries(CompressionTypes)) {
    if (typeof type !== 'number' || type === CompressionTypes.None) continue
    try {
      const codec = CompressionCodecs[type as 1 | 2 | 3 | 4]() as Codec
      const unpacked = await codec.decompress(await codec.compress({ buffer: text }))
      if (!text.equals(unpacked)) throw new Error('gives back something else')
    } catch (error) {
      broken.push(`${name} (${errorLine(error)})`)
    }
  }
  return broken
}

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

/** Runs `work` on an admin client that gives up soon. */
export async function withFailFastAdmin<T>(kafka: KafkaClient, work: (admin: Admin) => Promise<T>): Promise<T> {
  return retryProtocolErrors(async () => {
    const admin = kafka.admin({ retry: { retries: 3, initialRetryTime: 200 } })
    try {
      await admin.connect()
      return await work(admin)
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  })
}

const retryProtocolErrors = askAgain({ maxRetries: 4, initialDelayMs: 250, maxDelayMs: 1000 })
