import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionEntry, PromotionStream } from '#queues/promotion-stream.ts'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { isTracing } from '#runtime/tracing.ts'
import { type StreamConnection, StreamError, type StreamPool, StreamQueue, StreamWorker } from '#stream/index.ts'
import type { ConsumerContext, PromotionConsumerRegistry } from './consumer-registry.ts'
import type { SlotSharing } from './slot-sharing.ts'
import { PromotionStreamConsumer, type StreamMessageProcessor } from './stream-consumer.ts'

/** What a queue's handler is created from: its contract and the processor of its entries. */
export interface StreamHandlerParts {
  stream: PromotionStream
  processor: StreamMessageProcessor
}

export interface StreamManagerDeps {
  connection: StreamConnection
  /** Shares the process's slots fairly between its promotions. */
  pool: StreamPool
  registry: PromotionConsumerRegistry
  handlers: Readonly<Record<PromotionType, StreamHandlerParts>>
  settings: StreamManagerSettings
  logger: Logger
  /** Takes the times of its handlers; only where slots are shared by them. */
  sharing?: Pick<SlotSharing, 'timed'> | undefined
  onDead(type: PromotionType, reason: string): void
  onDelivery?(type: PromotionType, isRepeated: boolean): void
  /** Another consumer group reads a promotion's stream; at most once a minute for each stream. */
  onOtherGroup?(type: PromotionType): void
}

export interface StreamManagerSettings {
  maxLen: number
  readCount: number
  pollIntervalMs: number
  maxConsumersPerInstance: number
  claimMinIdleMs: number
  maxDeliveries: number
  /** How many dead letters a promotion keeps, and how long (`age`, in s). */
  removeOnFail?: { count: number; age: number }
}

/** Gifts a slot should have: one second of 50 ms calls (the planning documents leave the formula open). */
const GIFTS_PER_CONSUMER = 20

/** Slots of one promotion in one process: `totalCount / 20` rounded up, from 1 to `maxConsumersPerInstance`. */
export function calculateConsumerCountPerInstance(totalCount: number, maxConsumersPerInstance: number): number {
  return Math.max(1, Math.min(Math.ceil(totalCount / GIFTS_PER_CONSUMER), maxConsumersPerInstance))
}

/**
 * The planning documents' `PromotionStreamManager`: brings up and takes down a promotion's consumers in this process.
 */
export class PromotionStreamManager {
  readonly #deps: StreamManagerDeps

  constructor(deps: StreamManagerDeps) {
    this.#deps = deps
  }

  /**
   * Safe to call again: a second call only resumes what was paused. A total of 0 is unknown and gets every slot; an
   * operator's count goes first.
   */
  async startConsumers(
    promotionId: string,
    totalCount: number,
    type: PromotionType,
    consumersPerInstance?: number | null,
  ): Promise<void> {
    const { maxConsumersPerInstance } = this.#deps.settings
    const count =
      consumersPerInstance == null
        ? calculateConsumerCountPerInstance(totalCount || Number.POSITIVE_INFINITY, maxConsumersPerInstance)
        : Math.min(consumersPerInstance, maxConsumersPerInstance)
    const { worker } = await this.#deps.registry.register(promotionId, () => this.#create(promotionId, type, count))
    if (worker.concurrency !== count) worker.concurrency = count
    this.#deps.registry.release('promotion-paused', promotionId)
  }

  /** What is in flight stays in flight, nothing new is begun; the consumers stay for the resume. */
  async pauseConsumers(promotionId: string): Promise<void> {
    const { registry } = this.#deps
    if ((await registry.get(promotionId)) !== undefined) registry.pause('promotion-paused', promotionId)
  }

  async stopConsumers(promotionId: string, deadline?: AbortSignal): Promise<void> {
    await this.#deps.registry.shutdown(promotionId, deadline)
  }

  async #create(promotionId: string, type: PromotionType, concurrency: number): Promise<ConsumerContext> {
    const { connection, pool, settings, handlers, logger, sharing } = this.#deps
    const { stream, processor } = handlers[type]
    const [streamKey, group] = [stream.streamKey(promotionId), stream.groupName(promotionId)]
    const queue = new StreamQueue<PromotionEntry>(streamKey, {
      connection,
      group,
      codec: 'flat',
      maxLen: settings.maxLen,
    })
    await queue.ensureGroup()
    const bindings = logger.child({ promotionId, type })
    const onDead = (reason: string) => this.#deps.onDead(type, reason)
    const consumer = new PromotionStreamConsumer({
      processor,
      logger: bindings,
      onDead,
      onDelivery: isRepeated => this.#deps.onDelivery?.(type, isRepeated),
    })
    const handler = sharing === undefined ? consumer.onMessage : sharing.timed(consumer.onMessage)
    const worker = new StreamWorker<PromotionEntry>(streamKey, handler, {
      codec: 'flat',
      connection,
      group,
      concurrency,
      pool,
      readCount: settings.readCount,
      pollIntervalMs: settings.pollIntervalMs,
      claimMinIdleMs: settings.claimMinIdleMs,
      maxDeliveries: settings.maxDeliveries,
      ...(settings.removeOnFail === undefined ? {} : { removeOnFail: settings.removeOnFail }),
      onPoison: consumer.onPoison,
      ...(isTracing() ? { hooks: { acknowledged: consumer.onAcknowledged } } : {}),
      logger: bindings,
      autorun: true,
    })
    worker.on('error', error => {
      bindings.warn({ err: error }, `stream worker: ${errorLine(error)}`)
      if (error instanceof StreamError && error.code === 'STREAM_OTHER_GROUP') this.#deps.onOtherGroup?.(type)
    })
    bindings.info({ streamKey, concurrency }, 'consumers started')
    return { promotionId, type, worker, queue }
  }
}
