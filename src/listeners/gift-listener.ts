import type { BatchHandler } from '#kafka/topic-consumer.ts'
import type { TopicMessage } from '#kafka/topic-message.ts'
import type { MessageConservation } from '#promotion/intake/conservation.ts'
import type { DoStep, TakenMessage, TopicOutcome } from '#promotion/intake/gift-intake.ts'
import type { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'
import { isTracing, type OpenSpan, openSpan, traceFields } from '#runtime/tracing.ts'
import { decodeUtf8 } from '#runtime/utf8.ts'
import { settleAsOne } from './settle-batch.ts'

export interface GiftListenerDeps {
  processor: {
    processTopicMessages(
      messages: readonly TakenMessage[],
      doStep: DoStep,
      onProgress: () => void,
    ): Promise<TopicOutcome[]>
  }
  invalidMessages: InvalidMessageReporter
  conservation: MessageConservation
  retryer: Retryer
  logger: Logger
  /** Some messages of a batch have got on. */
  onProgress?(): void
}

/** What a gift topic's listener does with a batch: every message settled, bad ones to the invalid topic, all counted. */
export function giftBatchHandler(type: PromotionType, deps: GiftListenerDeps): BatchHandler {
  const { processor, invalidMessages, conservation, retryer, logger, onProgress = () => undefined } = deps
  const reject = async (message: TopicMessage, doStep: DoStep): Promise<TopicOutcome> => {
    const reason = message.value === null ? 'no value' : 'not UTF-8'
    await doStep(() => invalidMessages.report(message, reason))
    onProgress()
    return 'invalid'
  }
  return async (messages, signal) => {
    const readable: TakenMessage[] = []
    const spans: (OpenSpan | undefined)[] = []
    const unreadable: TopicMessage[] = []
    for (const origin of messages) {
      const json = decodeUtf8(origin.value)
      if (json === undefined) unreadable.push(origin)
      else {
        const span = isTracing() ? openIntake(origin) : undefined
        readable.push({ json, origin: span === undefined ? origin : { ...origin, ...traceFields(span.traceparent) } })
        spans.push(span)
      }
    }
    const settle = async (doStep: DoStep) => {
      const [taken, rejected] = await Promise.all([
        processor.processTopicMessages(readable, doStep, onProgress),
        Promise.all(unreadable.map(message => reject(message, doStep))),
      ])
      for (const [index, span] of spans.entries()) span?.end({ 'promostream.outcome': taken[index] ?? '' })
      return taken.concat(rejected)
    }
    const outcomes = await settleAsOne(settle, { retryer, logger, signal })
    conservation.settled(type, messages.length, outcomes)
  }
}

/** From the record until its row and entry are there; goes on with the trace of whoever wrote it. */
function openIntake({ topic, partition, offset, traceparent }: TopicMessage): OpenSpan | undefined {
  const attributes = {
    'messaging.system': 'kafka',
    'messaging.destination.name': topic,
    'messaging.destination.partition.id': String(partition),
    'messaging.kafka.offset': offset,
  }
  return openSpan('gift intake', { kind: 'consumer', parent: traceparent, attributes })
}
