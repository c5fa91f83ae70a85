import type { GiftRow, InsertOutcome } from '#database/gifts/gift.ts'
import { isContentError } from '#database/sql-errors.ts'
import { isKeyOld } from '#money/charge.ts'
import type { ChargeOutcome } from '#money/charge-api.ts'
import { toChargeRequest } from '#money/charge-request-mapper.ts'
import { type GiftMessage, parseGift } from '#promotion/intake/gift-message.ts'
import type { MessageOrigin } from '#promotion/intake/invalid-messages.ts'
import { GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'
import type { PromotionStream } from '#queues/promotion-stream.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type ProcessorDeps, type StreamOutcome, type TopicOutcome, UnfinishedGiftError } from './processing.ts'
import type { CampaignPromotionResultUpdateService } from './result-update.ts'
import { publishRetryMessage } from './retry-message.ts'

/** How long an entry waits that must not be paid now: its promotion is paused, or the Money API is not to be called. */
const NOT_NOW_DELAY_MS = 1000

/**
 * The planning documents' chapter 6 (docs/glossary.md): `processTopicMessage` on the listener's side,
 * `processStreamMessage` on the worker's, `executeMoneyApi` for both. Written one message at a time; the layers below
 * batch.
 */
export abstract class AbstractCampaignPromotionProcessor {
  protected readonly deps: ProcessorDeps

  constructor(deps: ProcessorDeps) {
    this.deps = deps
  }

  protected abstract readonly type: PromotionType

  getPromotionTypeEnum(): PromotionType {
    return this.type
  }

  protected get stream(): PromotionStream {
    return this.deps.streams[this.type]
  }

  protected getPartitionKey(message: GiftMessage): string {
    return message.partitionKey
  }

  /**
   * Row first, then entry (or, with the toggle off, payment). Resolves when the offset may be committed; rejects when
   * trying again may help, with an {@link UnfinishedGiftError} once the row is saved.
   */
  async processTopicMessage(json: string, origin: MessageOrigin): Promise<TopicOutcome> {
    const parsed = parseGift(this.type, json)
    return parsed.ok ? this.#accept(parsed.message, json, origin) : this.#reject(origin, parsed.reason)
  }

  async #accept(message: GiftMessage, json: string, origin: MessageOrigin): Promise<TopicOutcome> {
    const streamKey = this.stream.streamKey(message.promotionId)
    const isAdmitted = !this.deps.settings.streamEnabled || (await this.deps.streamProducer.admit(streamKey))
    let saved: InsertOutcome | undefined
    try {
      saved = await this.saveResult(message, json, origin, isAdmitted)
    } catch (error) {
      if (!isContentError(error)) throw error
      return await this.#reject(origin, `refused by the database: ${errorLine(error)}`)
    } finally {
      const isEnqueuing = saved?.kind === 'inserted' && saved.enqueued
      if (this.deps.settings.streamEnabled && isAdmitted && !isEnqueuing) this.deps.streamProducer.release(streamKey)
    }
    switch (saved.kind) {
      case 'inserted':
        if (saved.enqueued) await this.#resumable(() => this.#forward(message, json))
        return 'inserted'
      case 'duplicate':
        this.#log(message).info('skipped: already processed (idempotent)')
        return 'duplicate'
      case 'target-conflict':
        return this.#reject(origin, 'target-conflict')
      case 'skipped':
        return this.#skip(message, json, origin, saved.reason)
    }
  }

  async #forward(message: GiftMessage, json: string): Promise<void> {
    if (this.deps.settings.streamEnabled) return this.enqueueToStream(message, json)
    const row = await this.findResult(message)
    if (row === undefined) throw new CodedError('RESULT_NOT_FOUND', 'the row just saved is gone', { canRetry: true })
    if (this.isAlreadyProcessed(row)) return
    // The batch may have gone round for long. The row stays PENDING, marked at its insert as meant for the stream: a start
    // or resume takes it for one whose entry was lost, and so does upkeep.
    if (!(await this.deps.promotionStatusCacheService.isPromotionInProgress(row.promotionId))) return
    const outcome = await this.executeMoneyApi(json, row)
    if (outcome.kind === 'not-now') throw new CodedError('NOT_NOW', outcome.reason, { canRetry: true })
  }

  async #resumable(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw new UnfinishedGiftError(() => work().then(() => 'inserted'), error)
    }
  }

  async #reject(origin: MessageOrigin, reason: string): Promise<TopicOutcome> {
    const { topic, partition, offset } = origin
    this.deps.logger.warn({ topic, partition, offset, reason }, `invalid message: ${reason}`)
    await this.deps.invalidMessages.report(origin, reason)
    return 'invalid'
  }

  async #skip(
    message: GiftMessage,
    json: string,
    { topic, partition, offset }: MessageOrigin,
    reason: (InsertOutcome & { kind: 'skipped' })['reason'],
  ): Promise<TopicOutcome> {
    const { promotionId } = message
    await this.deps.skipped.insert({
      topic,
      partition,
      offset,
      promotionId,
      targetId: message.targetId,
      reason,
      message: json,
    })
    this.#log(message).warn({ reason }, `skipped: ${reason}`)
    return 'skipped'
  }

  /**
   * Pays what an entry points at. What is paid is what the row says.
   * Rejects for whatever may pass (database, Kafka): the entry must then stay pending.
   */
  async processStreamMessage(json: string, signal?: AbortSignal): Promise<StreamOutcome> {
    const parsed = parseGift(this.type, json)
    if (!parsed.ok) return { kind: 'dead', reason: `unreadable: ${parsed.reason}` }
    const { message } = parsed
    const row = await this.findResult(message)
    if (row === undefined) {
      this.#log(message).error('result not found: cannot process Money API')
      return { kind: 'dead', reason: 'result-not-found' }
    }
    if (this.isAlreadyProcessed(row)) {
      // Its first try may have ended between its commit and its retry message: a second one makes no second job.
      if (row.processStatus === 'RETRYING') await this.publishRetry(json, row, { attempt: row.attempts, lastError: '' })
      this.#log(message).debug({ status: row.processStatus }, 'skipped: already processed')
      return { kind: 'done' }
    }
    if (!(await this.deps.promotionStatusCacheService.isPromotionInProgress(row.promotionId))) {
      return notNow('promotion-not-in-progress')
    }
    return this.executeMoneyApi(json, row, signal)
  }

  /** An entry whose deliveries killed their processes: nobody may put it back, a person has to look. */
  async markPoison(json: string, deliveries: number): Promise<void> {
    const parsed = parseGift(this.type, json)
    if (!parsed.ok) return
    await this.updateError(
      { targetId: parsed.message.targetId, promotionId: parsed.message.promotionId },
      { status: 'UNKNOWN', code: 'POISON', message: `delivered ${deliveries} times, never finished`, posts: 0 },
    )
  }

  /**
   * Only the call itself can fail the gift. An error of `updateSuccess` propagates: the entry is not acknowledged, is
   * delivered again with the same key and gets the same answer.
   */
  protected async executeMoneyApi(json: string, row: GiftRow, signal?: AbortSignal): Promise<StreamOutcome> {
    const outcome = await this.callMoneyApi(row, signal)
    switch (outcome.kind) {
      case 'charged':
        await this.updateSuccess(row, outcome.transactionKey, outcome.posts)
        return { kind: 'done' }
      case 'failed':
        await this.updateError(row, {
          status: 'FAILED',
          code: outcome.code,
          message: outcome.message,
          posts: outcome.posts,
        })
        return { kind: 'done' }
      case 'unsettled':
        await this.handleFailure(json, row, outcome)
        return { kind: 'done' }
      case 'unauthorized':
        return notNow(`Money API refuses our credentials (${outcome.code})`)
      case 'held':
        return notNow(outcome.reason)
      case 'aborted':
        return notNow('stopping')
    }
  }

  /**
   * `updateError`, then the retry topic; both before the entry is acknowledged. A row that did not move says nothing.
   */
  protected async handleFailure(
    json: string,
    row: GiftRow,
    error: ChargeOutcome & { kind: 'unsettled' },
  ): Promise<void> {
    const { code, message, posts, retryAfterMs } = error
    const attempt = row.attempts + posts
    const status = attempt >= this.deps.settings.maxAttempts && !error.isOutage ? 'UNKNOWN' : 'RETRYING'
    const changed = await this.updateError(row, { status, code, message, posts })
    if (!changed || status === 'UNKNOWN') return
    await this.publishRetry(json, row, { attempt, lastError: `${code}: ${message}`, retryAfterMs })
  }

  protected async enqueueToStream(message: GiftMessage, json: string): Promise<void> {
    const streamKey = this.stream.streamKey(message.promotionId)
    await this.deps.streamProducer.enqueue(streamKey, this.getPartitionKey(message), json)
  }

  protected saveResult(
    message: GiftMessage,
    json: string,
    origin: MessageOrigin,
    wantsEntry: boolean,
  ): Promise<InsertOutcome> {
    const { promotionId, promotionSummaryId, partitionKey, memberId, amount } = message
    return this.deps.results[this.getPromotionTypeEnum()].insert({
      promotionId,
      promotionSummaryId,
      targetId: message.targetId,
      partitionKey,
      memberId,
      amount,
      message: json,
      kafkaPartition: origin.partition,
      kafkaOffset: origin.offset,
      kafkaTimeMs: origin.timestampMs ?? null,
      wantsEntry,
    })
  }

  protected findResult(message: GiftMessage): Promise<GiftRow | undefined> {
    return this.deps.results[this.getPromotionTypeEnum()].find(message.targetId)
  }

  protected isAlreadyProcessed(row: GiftRow): boolean {
    return row.processStatus !== 'PENDING'
  }

  protected callMoneyApi(row: GiftRow, signal?: AbortSignal): Promise<ChargeOutcome> {
    const request = toChargeRequest(this.getPromotionTypeEnum(), row)
    return this.deps.moneyCampaignChargeApi.charge(request, {
      ...(signal === undefined ? {} : { signal }),
      lookFirst: row.askFirst || isKeyOld(row, this.deps.settings.keyTtlMs),
      isYoung: !isKeyOld(row, this.deps.settings.keyTtlMs),
      isFirst: row.attempts === 0,
      isLast: row.attempts + 1 >= this.deps.settings.maxAttempts,
      mayCall: () => this.deps.promotionStatusCacheService.isPromotionInProgress(row.promotionId),
    })
  }

  protected updateSuccess(row: GiftRow, moneyKey: string, posts: number): Promise<void> {
    return this.deps.resultUpdateService.updateSuccess(this.getPromotionTypeEnum(), row, moneyKey, posts)
  }

  protected updateError(
    row: Pick<GiftRow, 'targetId' | 'promotionId'>,
    error: Parameters<CampaignPromotionResultUpdateService['updateError']>[2],
  ): Promise<boolean> {
    return this.deps.resultUpdateService.updateError(this.getPromotionTypeEnum(), row, error)
  }

  protected publishRetry(
    json: string,
    row: GiftRow,
    retry: { attempt: number; lastError: string; retryAfterMs?: number | undefined },
  ): Promise<void> {
    const { promotionId, promotionSummaryId, memberId, amount, targetId, partitionKey } = row
    const ids = {
      promotionId,
      promotionSummaryId,
      [GIFT_TYPES[this.type].targetField]: targetId,
      partitionKey,
      memberId,
      amount,
    }
    const topic = this.deps.settings.retryTopics[this.getPromotionTypeEnum()]
    return publishRetryMessage(this.deps.eventProviderService, { topic, json, ids, ...retry })
  }

  #log(message: GiftMessage): Logger {
    const { promotionId, promotionSummaryId } = message
    const bindings = {
      type: this.getPromotionTypeEnum(),
      promotionId,
      promotionSummaryId,
      targetId: message.targetId,
    }
    return this.deps.logger.child(bindings)
  }
}

function notNow(reason: string): StreamOutcome {
  return { kind: 'not-now', reason, delayMs: NOT_NOW_DELAY_MS }
}
