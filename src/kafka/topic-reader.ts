import { randomUUID } from 'node:crypto'
import type { Admin, Consumer, Kafka, KafkaMessage } from 'kafkajs'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import { askAgain } from './ask-again.ts'
import { type TopicMessage, toTopicMessage } from './topic-message.ts'
import { unreadableBatch } from './unreadable.ts'

/** What a partition holds: offsets from `low` up to, but not including, `high`. */
export interface PartitionRange {
  partition: number
  low: bigint
  high: bigint
}

/** By topic; one that does not exist is missing. */
export type TopicRanges = ReadonlyMap<string, readonly PartitionRange[]>

/** What the topics hold now. */
export function fetchRanges(kafka: Kafka, topics: readonly string[]): Promise<TopicRanges> {
  return withAdmin(kafka, async admin => {
    const existing = new Set(await admin.listTopics())
    const ranges = new Map<string, PartitionRange[]>()
    for (const topic of topics.filter(name => existing.has(name))) {
      const offsets = await admin.fetchTopicOffsets(topic)
      ranges.set(
        topic,
        offsets.map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) })),
      )
    }
    return ranges
  })
}

/** How far a group has committed, by partition: the next offset it will read. Nothing where it never did. */
export function fetchCommitted(kafka: Kafka, groupId: string, topic: string): Promise<Map<number, bigint>> {
  return withAdmin(kafka, async admin => {
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const known = (committed?.partitions ?? []).map(
      ({ partition, offset }) => [partition, BigInt(offset)] as [number, bigint],
    )
    return new Map(known.filter(([, offset]) => offset >= 0n))
  })
}

/** For some 15 s: what leaders and coordinators need to be elected, or to read their logs after a start. */
const untilElected = askAgain({ maxRetries: 8, initialDelayMs: 200, maxDelayMs: 3000 })

async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin({ retry: { retries: 4, initialRetryTime: 200 } })
  try {
    await admin.connect()
    return await untilElected(() => work(admin))
  } catch (cause) {
    throw new CodedError('KAFKA_UNREACHABLE', `Kafka (KAFKA_BROKERS) cannot be read: ${errorLine(cause)}`, { cause })
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** No batch has come for this long, and there is more to read: better no answer than half of one. */
const STALLED_MS = 60_000

/**
 * Hands every record of `ranges` to `onMessages`, in the order of each partition; what came later is left out. Reads in
 * a throw-away group that is deleted afterwards, and moves nobody's offsets. Rejects when Kafka does, or `onMessages`.
 */
export async function readRanges(
  kafka: Kafka,
  ranges: TopicRanges,
  onMessages: (messages: readonly TopicMessage[]) => Promise<void> | void,
): Promise<void> {
  const reader = new RangeReader(ranges, onMessages)
  if (reader.isDone) return
  const groupId = `promostream-reader-${randomUUID()}`
  const consumer = kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 250,
    maxBytesPerPartition: 128 * 1024,
    maxBytes: 512 * 1024,
    retry: { retries: 5, restartOnFailure: async () => false },
  })
  try {
    await reader.run(consumer)
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new CodedError('KAFKA_UNREACHABLE', `Kafka (KAFKA_BROKERS) cannot be read: ${errorLine(cause)}`, { cause })
  } finally {
    await consumer.disconnect().catch(() => undefined)
    await withAdmin(kafka, admin => admin.deleteGroups([groupId])).catch(() => undefined)
  }
}

class RangeReader {
  /** What is still to be read, by `topic/partition`. */
  readonly #left = new Map<string, bigint>()
  /** What has been handed over ends here: a consumer that lost its membership begins again at the first record. */
  readonly #next = new Map<string, bigint>()
  readonly #topics: string[]
  readonly #onMessages: (messages: readonly TopicMessage[]) => Promise<void> | void
  readonly #done = Promise.withResolvers<void>()
  #lastBatchAt = performance.now()
  #isHanding = false

  constructor(ranges: TopicRanges, onMessages: (messages: readonly TopicMessage[]) => Promise<void> | void) {
    this.#onMessages = onMessages
    for (const [topic, partitions] of ranges)
      for (const { partition, low, high } of partitions) if (high > low) this.#left.set(`${topic}/${partition}`, high)
    this.#topics = [...ranges.keys()].filter(topic => [...this.#left.keys()].some(name => name.startsWith(`${topic}/`)))
  }

  get isDone(): boolean {
    return this.#left.size === 0
  }

  async run(consumer: Consumer): Promise<void> {
    this.#done.promise.catch(() => undefined)
    consumer.on(consumer.events.CRASH, ({ payload }) => this.#done.reject(payload.error))
    // Comes for batches of control records and of what was compacted too, which no handler is given.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      this.#finish(payload.topic, payload.partition, BigInt(payload.lastOffset))
    })
    await consumer.connect()
    await consumer.subscribe({ topics: this.#topics, fromBeginning: true })
    this.#lastBatchAt = performance.now()
    const watch = setInterval(() => this.#watch(), 1000)
    try {
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch, heartbeat }) => {
          await this.#hand(batch.topic, batch.partition, batch.messages)
          await heartbeat()
        },
      })
      await this.#done.promise
    } finally {
      clearInterval(watch)
    }
  }

  async #hand(topic: string, partition: number, records: readonly KafkaMessage[]): Promise<void> {
    const name = `${topic}/${partition}`
    const high = this.#left.get(name)
    if (high === undefined) return
    const next = this.#next.get(name) ?? 0n
    const fresh = records.filter(({ offset }) => BigInt(offset) >= next && BigInt(offset) < high)
    this.#isHanding = true
    try {
      for (const record of fresh) assertReadable(topic, partition, record)
      await this.#onMessages(fresh.map(record => toTopicMessage(topic, partition, record)))
      const last = BigInt(records.at(-1)?.offset ?? -1)
      if (last >= next) this.#next.set(name, last + 1n)
    } catch (error) {
      this.#done.reject(toError(error))
      throw error
    } finally {
      this.#isHanding = false
    }
  }

  #finish(topic: string, partition: number, lastOffset: bigint): void {
    this.#lastBatchAt = performance.now()
    const name = `${topic}/${partition}`
    const high = this.#left.get(name)
    if (high === undefined || lastOffset + 1n < high) return
    this.#left.delete(name)
    if (this.isDone) this.#done.resolve()
  }

  #watch(): void {
    if (this.#isHanding || performance.now() - this.#lastBatchAt < STALLED_MS) return
    const left = [...this.#left.keys()].join(', ')
    this.#done.reject(new CodedError('KAFKA_UNREACHABLE', `Kafka (KAFKA_BROKERS) gives no more of ${left}`))
  }
}

function assertReadable(topic: string, partition: number, record: KafkaMessage): void {
  const unreadable = unreadableBatch(record)
  if (unreadable === undefined) return
  const { firstOffset, error } = unreadable
  throw new CodedError(
    'KAFKA_UNREADABLE',
    `partition ${partition} of ${topic} cannot be decoded from offset ${firstOffset} on: ${errorLine(error)}`,
  )
}
