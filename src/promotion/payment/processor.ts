import type { GiftRow } from '#database/gifts/gift.ts'
import type { MoneyCampaignChargeApi } from '#money/charge-api.ts'
import { BatchIntake } from '#promotion/intake/batch-intake.ts'
import {
  type DoStep,
  GiftIntake,
  type IntakeDeps,
  type IntakeSettings,
  type TakenMessage,
  type TopicOutcome,
} from '#promotion/intake/gift-intake.ts'
import type { GiftMessage } from '#promotion/intake/gift-message.ts'
import type { MessageOrigin } from '#promotion/intake/invalid-messages.ts'
import type { PromotionMetrics } from '#promotion/metrics.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { isTracing, traceFields, withSpan } from '#runtime/tracing.ts'
import type { Outcome } from '#stream/index.ts'
import { GiftPayment, type PaymentDeps, type PaymentSettings } from './gift-payment.ts'

export interface ProcessorDeps extends IntakeDeps, PaymentDeps {
  moneyCampaignChargeApi: MoneyCampaignChargeApi
  metrics: PromotionMetrics
  settings: ProcessorSettings
}

export interface ProcessorSettings extends IntakeSettings, PaymentSettings {}

/**
 * The planning documents' chapter 6 (docs/glossary.md) in their words: `processTopicMessage` on the listener's side,
 * `processStreamMessage` on the worker's, `executeMoneyApi` for both. One message at a time, and a topic's batch as one; the
 * layers below batch.
 */
export abstract class AbstractCampaignPromotionProcessor {
  protected readonly deps: ProcessorDeps
  readonly #type: PromotionType
  readonly #intake: GiftIntake
  readonly #batchIntake: BatchIntake
  readonly #payment: GiftPayment

  constructor(type: PromotionType, deps: ProcessorDeps) {
    this.deps = deps
    this.#type = type
    this.#payment = new GiftPayment(type, deps)
    this.#intake = new GiftIntake(type, deps, (gift, message) =>
      deps.settings.streamEnabled ? this.enqueueToStream(gift, message) : this.#paySaved(gift, message),
    )
    this.#batchIntake = new BatchIntake(type, deps, this.#intake)
  }

  getPromotionTypeEnum(): PromotionType {
    return this.#type
  }

  /** Row first, then entry (or, with the toggle off, payment). Resolves when the offset may be committed. */
  processTopicMessage(json: string, origin: MessageOrigin, doStep?: DoStep): Promise<TopicOutcome> {
    return this.#intake.take(json, origin, doStep)
  }

  /** The same for a batch, in its order; `onProgress` is called whenever some of it have got on. */
  processTopicMessages(
    messages: readonly TakenMessage[],
    doStep: DoStep,
    onProgress: () => void = () => undefined,
  ): Promise<TopicOutcome[]> {
    return this.#batchIntake.takeAll(messages, doStep, onProgress)
  }

  /** Pays what an entry points at; undefined = acknowledge it. Rejects for whatever may pass: it must stay pending. */
  processStreamMessage(json: string, signal?: AbortSignal): Promise<Outcome | undefined> {
    return this.#payment.payEntry(json, signal)
  }

  executeMoneyApi(json: string, row: GiftRow, signal?: AbortSignal): Promise<Outcome | undefined> {
    return this.#payment.execute(json, row, signal)
  }

  /** An entry whose deliveries killed their processes becomes UNKNOWN / POISON. */
  markPoison(json: string, deliveries: number): Promise<void> {
    return this.#payment.markPoison(json, deliveries)
  }

  protected async enqueueToStream({ promotionId, partitionKey }: GiftMessage, message: TakenMessage): Promise<void> {
    const { streamProducer, streams } = this.deps
    const { json, origin } = message
    const streamKey = streams[this.#type].streamKey(promotionId)
    await streamProducer.enqueue(streamKey, partitionKey, json, traceFields(origin.traceparent))
  }

  #paySaved(gift: GiftMessage, { json, origin: { traceparent } }: TakenMessage): Promise<void> {
    const pay = () => this.#payment.paySaved(gift, json)
    return isTracing() ? withSpan('gift payment', { kind: 'consumer', parent: traceparent }, pay) : pay()
  }
}
