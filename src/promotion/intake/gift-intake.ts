import type { InsertOutcome, NewGift } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import type { SkippedRepository } from '#database/gifts/skipped.ts'
import { isContentError } from '#database/sql-errors.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { PromotionStreams } from '#queues/promotion-stream.ts'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { bindingsOf } from '#runtime/tracing.ts'
import { type GiftMessage, giftBindings, parseGift } from './gift-message.ts'
import type { InvalidMessageReporter, MessageOrigin } from './invalid-messages.ts'
import type { PromotionStreamProducer } from './stream-producer.ts'

/** What a message of the topic became; every consumed message becomes exactly one of these. */
export type TopicOutcome = 'inserted' | 'duplicate' | 'skipped' | 'invalid'

/** Does one step of a message's way, again and again where its caller wants that; the steps before it are not repeated. */
export type DoStep = <Result>(step: () => Promise<Result>) => Promise<Result>

export const once: DoStep = step => step()

/** A message and where it came from. */
export interface TakenMessage {
  json: string
  origin: MessageOrigin
}

export interface IntakeDeps {
  results: GiftResultRepositories
  skipped: SkippedRepository
  streamProducer: PromotionStreamProducer
  streams: PromotionStreams
  invalidMessages: InvalidMessageReporter
  logger: Logger
  settings: IntakeSettings
}

export interface IntakeSettings {
  /** The planning documents' toggle: true = enqueue, false = the listener pays by itself. */
  streamEnabled: boolean
}

/** To the stream, or to its payment where there is none. */
export type Forward = (gift: GiftMessage, message: TakenMessage) => Promise<void>

/** What saving came to, and whether the gift is to be forwarded now. */
export interface Saved {
  outcome: TopicOutcome
  isDue: boolean
}

/** From a message to its row, and on to the stream, or to its payment where there is no stream. */
export class GiftIntake {
  readonly #type: PromotionType
  readonly #deps: IntakeDeps
  readonly #forward: Forward

  constructor(type: PromotionType, deps: IntakeDeps, forward: Forward) {
    this.#type = type
    this.#deps = deps
    this.#forward = forward
  }

  /**
   * Saves, then forwards: two steps, because a second insert would find its own row and take the gift for a duplicate.
   * Resolves when the offset may be committed; rejects when trying again may help.
   */
  async take(json: string, origin: MessageOrigin, doStep: DoStep = once): Promise<TopicOutcome> {
    const parsed = parseGift(this.#type, json)
    if (!parsed.ok) return doStep(() => this.#reject(origin, parsed.reason))
    const gift = parsed.message
    const { outcome, isDue } = await doStep(() => this.#save(gift, json, origin))
    if (isDue) await doStep(() => this.#forward(gift, { json, origin }))
    return outcome
  }

  async #save(gift: GiftMessage, json: string, origin: MessageOrigin): Promise<Saved> {
    const { streamProducer, settings, streams } = this.#deps
    const streamKey = streams[this.#type].streamKey(gift.promotionId)
    const isAdmitted = !settings.streamEnabled || (await streamProducer.admit(streamKey))
    let saved: InsertOutcome | undefined
    try {
      saved = await this.#deps.results[this.#type].insert(newGift(gift, { json, origin }, isAdmitted))
    } catch (error) {
      if (!isContentError(error)) throw error
      return done(await this.#reject(origin, `refused by the database: ${errorLine(error)}`))
    } finally {
      if (settings.streamEnabled && isAdmitted && !isEnqueuing(saved)) streamProducer.release(streamKey)
    }
    return this.account(saved, gift, { json, origin })
  }

  /** Does what an insert's outcome asks for. A promise only where there is something to wait for. */
  account(saved: InsertOutcome, gift: GiftMessage, { json, origin }: TakenMessage): Saved | Promise<Saved> {
    switch (saved.kind) {
      case 'inserted':
        return { outcome: 'inserted', isDue: saved.enqueued }
      case 'duplicate':
        this.#log(gift, origin).info('skipped: already processed (idempotent)')
        return done('duplicate')
      case 'target-conflict':
        return this.#reject(origin, 'target-conflict').then(done)
      case 'skipped':
        return this.#skip(gift, json, origin, saved.reason).then(done)
    }
  }

  forward(gift: GiftMessage, message: TakenMessage): Promise<void> {
    return this.#forward(gift, message)
  }

  async #reject(origin: MessageOrigin, reason: string): Promise<TopicOutcome> {
    const { topic, partition, offset } = origin
    this.#deps.logger.warn({ topic, partition, offset, reason }, `invalid message: ${reason}`)
    await this.#deps.invalidMessages.report(origin, reason)
    return 'invalid'
  }

  async #skip(
    gift: GiftMessage,
    json: string,
    origin: MessageOrigin,
    reason: (InsertOutcome & { kind: 'skipped' })['reason'],
  ): Promise<TopicOutcome> {
    const { promotionId, targetId } = gift
    const { topic, partition, offset } = origin
    await this.#deps.skipped.insert({ topic, partition, offset, promotionId, targetId, reason, message: json })
    this.#log(gift, origin).warn({ reason }, `skipped: ${reason}`)
    return 'skipped'
  }

  #log(gift: GiftMessage, { traceparent }: MessageOrigin): Logger {
    return this.#deps.logger.child({ ...giftBindings(this.#type, gift), ...bindingsOf(traceparent) })
  }
}

export function newGift(gift: GiftMessage, { json, origin }: TakenMessage, wantsEntry: boolean): NewGift {
  const { promotionId, promotionSummaryId, targetId, partitionKey, memberId, amount } = gift
  return {
    promotionId,
    promotionSummaryId,
    targetId,
    partitionKey,
    memberId,
    amount,
    message: json,
    kafkaPartition: origin.partition,
    kafkaOffset: origin.offset,
    kafkaTimeMs: origin.timestampMs ?? null,
    wantsEntry,
  }
}

/** Is its place on the stream used? */
export function isEnqueuing(saved: InsertOutcome | undefined): boolean {
  return saved?.kind === 'inserted' && saved.enqueued
}

function done(outcome: TopicOutcome): Saved {
  return { outcome, isDue: false }
}
