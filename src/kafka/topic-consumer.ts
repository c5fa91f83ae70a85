import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Service } from '#runtime/service.ts'
import { untilAborted } from '#runtime/within.ts'
import { BlockedPartitions } from './blocked-partitions.ts'
import { CommittedOffsets } from './committed-offsets.ts'
import { CrashMemory } from './crash-memory.ts'
import { type NextOffset, OffsetCommitter } from './offset-committer.ts'
import { deletePrivateGroup } from './private-group.ts'
import { type TopicMessage, toTopicMessage } from './topic-message.ts'
import { unreadableBatch } from './unreadable.ts'

/** Settles a whole batch. It must try again by itself what may succeed later; a rejection leaves the offset as it is. */
export type BatchHandler = (messages: readonly TopicMessage[], signal: AbortSignal) => Promise<void>

export interface TopicConsumerOptions {
  kafka: Kafka
  groupId: string
  topics: readonly string[]
  handleBatch: BatchHandler
  logger: Logger
  /** Called when the consumer cannot be brought back: the process has to end. */
  onFatal(error: Error): void
  /** Delete the group on a clean stop: it belongs to this process alone. */
  isPrivateGroup?: boolean
  /** Batches under way at once, each of another partition. */
  partitionsConsumedConcurrently?: number
}

const HEARTBEAT_INTERVAL_MS = 1000
/** A consumer that has neither fetched nor worked for this long is not ready. */
const STALE_AFTER_MS = 15_000
const MAX_RESTARTS = 15
const RESTARTS_FORGIVEN_AFTER_MS = 600_000
const RESTART_PAUSE_MS = 300
const MAX_CLOSE_WAIT_MS = 5000
/** And so long after the deadline of a stop, in ms. */
const CLOSE_GRACE_MS = 500
/** How soon partitions that were added to a topic are found, in ms. */
const METADATA_MAX_AGE_MS = 30_000

/**
 * A consumer loop over kafkajs: a new group begins at the first message; an offset is committed only after the whole
 * batch has been settled (at least once), and again until the broker took it. A batch that cannot be decoded stops its
 * partition alone. A crash of the consumer restarts it a bounded number of times, then is fatal.
 */
export class TopicConsumer implements Service {
  readonly name: string
  readonly #options: TopicConsumerOptions
  readonly #abort = new AbortController()
  /** Settled by the first join, whichever consumer makes it: one may crash before (a coordinator that is loading). */
  readonly #joined = Promise.withResolvers<void>()
  readonly #committer: OffsetCommitter
  readonly #blocked: BlockedPartitions
  readonly #crashes = new CrashMemory()
  #committed: CommittedOffsets | undefined
  #consumer: Consumer | undefined
  /** The last batch's way to commit: unlike the consumer's own it still works while a stop waits for that batch. */
  #commitOfBatch: EachBatchPayload['commitOffsetsIfNecessary'] | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #restarts = 0
  #lastRestartAtMs = 0
  #lastProgressAt = 0
  #batchesUnderWay = 0

  constructor(options: TopicConsumerOptions) {
    this.#options = options
    this.name = `consumer of ${options.topics.join(', ')}`
    this.#committer = new OffsetCommitter({ commit: offsets => this.#commit(offsets), logger: options.logger })
    this.#blocked = new BlockedPartitions(options.logger)
  }

  start(): Promise<void> {
    this.#starting ??= this.#stopping === undefined ? this.#run().then(() => this.#joined.promise) : Promise.resolve()
    return this.#starting
  }

  /** The batch in flight is settled or given up at the deadline; what is not committed is delivered again. */
  stop(deadline?: AbortSignal): Promise<void> {
    this.#stopping ??= this.#stop(deadline)
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Since it last polled, in ms. */
  get ageMs(): number {
    return performance.now() - this.#lastProgressAt
  }

  /** Throws when it has not fetched or committed lately, or stands still before what it cannot decode. */
  assertAlive(): void {
    const { ageMs } = this
    if (ageMs > STALE_AFTER_MS) {
      throw new CodedError('KAFKA_STALE', `has not polled for ${Math.round(ageMs / 1000)} s`)
    }
    this.#crashes.assertSteady()
    this.#committer.assertCommitted()
    this.#blocked.assertNone()
  }

  async #run(): Promise<void> {
    const { kafka, groupId, topics } = this.#options
    const consumer = kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      sessionTimeout: 15_000,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      // How fast a rebalance, a pause or a stop is noticed: heartbeats wait for the fetch.
      maxWaitTimeInMs: 500,
      maxBytesPerPartition: 256 * 1024,
      retry: { retries: 5, restartOnFailure: async () => false },
    })
    this.#consumer = consumer
    this.#commitOfBatch = undefined
    this.#committed ??= new CommittedOffsets({
      ...{ kafka, groupId, topics },
      commit: async offsets => this.#consumer?.commitOffsets(offsets),
      onGone: error => this.#consumer !== undefined && void this.#recover(this.#consumer, error),
    })
    consumer.on(consumer.events.FETCH, () => this.#progress())
    consumer.on(consumer.events.CRASH, ({ payload }) => void this.#recover(consumer, payload.error))
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#committer.forget()
      this.#committed?.joined(payload.memberAssignment)
      this.#blocked.keepOnly(payload.memberAssignment)
      this.#crashes.joined()
      this.#progress()
      this.#joined.resolve()
    })
    // Batches of nothing but control records and what was aborted are handed to no handler.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      if (batchSize === 0) void this.#commitBehind(topic, partition, lastOffset)
    })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#options.partitionsConsumedConcurrently ?? 4,
      eachBatch: payload => this.#onBatch(payload),
    })
  }

  #progress(): void {
    this.#lastProgressAt = performance.now()
  }

  async #commit(offsets: NextOffset[]): Promise<void> {
    await this.#committed?.assertThere()
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, partitions]) => ({ topic, partitions }))
    if (this.#commitOfBatch !== undefined) await this.#commitOfBatch({ topics })
    else await this.#consumer?.commitOffsets(offsets)
  }

  async #commitBehind(topic: string, partition: number, lastOffset: string): Promise<void> {
    const isFetchedAgain = await this.#isFetchedAgain(topic, partition).catch(() => true)
    if (!isFetchedAgain) await this.#committer.commit({ topic, partition, offset: next(lastOffset) })
  }

  /** What was fetched before anything was committed may be of a topic that was deleted since. */
  async #isFetchedAgain(topic: string, partition: number): Promise<boolean> {
    const offset = await this.#committed?.fetchAgainFrom(topic, partition)
    if (offset !== undefined) this.#consumer?.seek({ topic, partition, offset })
    return offset !== undefined
  }

  async #onBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, heartbeat } = payload
    if (batch.messages.length === 0 || !payload.isRunning() || payload.isStale()) return
    if (await this.#isFetchedAgain(batch.topic, batch.partition)) return
    this.#batchesUnderWay += 1
    this.#commitOfBatch = payload.commitOffsetsIfNecessary
    const heartbeats = setInterval(() => {
      this.#progress()
      heartbeat().catch(error => this.#options.logger.debug({ err: toError(error) }, 'kafka heartbeat failed'))
    }, HEARTBEAT_INTERVAL_MS)
    try {
      await this.#settle(payload)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      throw error
    } finally {
      clearInterval(heartbeats)
      this.#batchesUnderWay -= 1
    }
  }

  /** All of a batch, or what stands before the first of its records that cannot be decoded. */
  async #settle({ batch, resolveOffset, isStale, pause }: EachBatchPayload): Promise<void> {
    const { topic, partition, messages } = batch
    const end = messages.findIndex(message => unreadableBatch(message) !== undefined)
    const readable = end === -1 ? messages : messages.slice(0, end)
    const unreadable = messages[end] === undefined ? undefined : unreadableBatch(messages[end])
    if (readable.length > 0) {
      await this.#options.handleBatch(
        readable.map(message => toTopicMessage(topic, partition, message)),
        this.#abort.signal,
      )
    }
    // Another member owns the partition now: it delivers the batch again, and rows tell it that it is done.
    if (isStale()) return
    // A whole batch ends behind the control records of a transaction, too.
    const last = unreadable === undefined ? batch.lastOffset() : readable.at(-1)?.offset
    if (last !== undefined) {
      resolveOffset(last)
      await this.#committer.commit({ topic, partition, offset: next(last) })
    }
    this.#restarts = 0
    this.#progress()
    if (unreadable === undefined) this.#blocked.release({ topic, partition })
    else this.#blocked.block({ topic, partition }, unreadable, pause)
  }

  /** kafkajs gave the consumer up (broker away, coordinator lost, a batch that threw): a new one takes its place. */
  async #recover(crashed: Consumer, error: Error): Promise<void> {
    const { logger, onFatal } = this.#options
    if (this.#stopping !== undefined || this.#consumer !== crashed) return
    this.#consumer = undefined
    this.#crashes.crashed()
    await crashed.disconnect().catch(() => undefined)
    // A topic on which nothing comes must not add up the hiccups of months.
    if (Date.now() - this.#lastRestartAtMs > RESTARTS_FORGIVEN_AFTER_MS) this.#restarts = 0
    while (this.#stopping === undefined) {
      this.#restarts += 1
      this.#lastRestartAtMs = Date.now()
      logger.warn({ err: error, restart: this.#restarts }, `${this.name} crashed: ${errorLine(error)}`)
      if (this.#restarts > MAX_RESTARTS) {
        return onFatal(
          new CodedError('KAFKA_CONSUMER_LOST', `${this.name} crashed ${MAX_RESTARTS} times: ${errorLine(error)}`),
        )
      }
      await new Promise(resolve => setTimeout(resolve, RESTART_PAUSE_MS * Math.min(2 ** this.#restarts, 16)))
      if (this.#stopping !== undefined) return
      try {
        return await this.#run()
      } catch (thrown) {
        error = toError(thrown)
        this.#crashes.crashed()
        await this.#drop()
      }
    }
  }

  async #drop(): Promise<void> {
    const consumer = this.#consumer
    this.#consumer = undefined
    await consumer?.disconnect().catch(() => undefined)
  }

  async #stop(deadline: AbortSignal | undefined): Promise<void> {
    const consumer = this.#consumer
    const giveUp = () => {
      this.#abort.abort()
      this.#joined.resolve()
    }
    if (deadline?.aborted) giveUp()
    deadline?.addEventListener('abort', giveUp, { once: true })
    // kafkajs waits for the batches in flight; without a deadline they get as long as they need.
    if (this.#batchesUnderWay === 0) giveUp()
    this.#blocked.stop()
    if (consumer !== undefined) await settled(consumer.stop(), deadline)
    // Without a consumer, as while one is begun again, nothing can be committed: it would be tried for ever.
    this.#committer.forget()
    if (consumer !== undefined) await settled(consumer.disconnect(), deadline)
    if (this.#committed !== undefined) await settled(this.#committed.stop(), deadline)
    giveUp()
    if (this.#options.isPrivateGroup) {
      const { kafka, groupId, logger } = this.#options
      await deletePrivateGroup(kafka, groupId, logger)
    }
  }
}

/** Waits for kafkajs, but not for ever once time is up; how it ends is of no interest then. */
function settled(work: Promise<void>, deadline: AbortSignal | undefined): Promise<void> {
  const limitMs = deadline === undefined ? undefined : MAX_CLOSE_WAIT_MS * 2
  const patience = { signal: deadline, graceMs: CLOSE_GRACE_MS, limitMs }
  return untilAborted(
    work.catch(() => undefined),
    patience,
    () => undefined,
  )
}

function next(offset: string): string {
  return (BigInt(offset) + 1n).toString()
}
