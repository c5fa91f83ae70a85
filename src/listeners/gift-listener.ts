import type { BatchHandler, TopicMessage } from '#kafka/topic-consumer.ts'
import type { InvalidMessageReporter, MessageOrigin } from '#promotion/invalid-messages.ts'
import type { PromotionMetrics } from '#promotion/metrics.ts'
import type { TopicOutcome } from '#promotion/processing.ts'
import type { PromotionType } from '#queues/promotion-type.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'
import { decodeUtf8 } from './decode.ts'
import { settleBatch } from './settle-batch.ts'

export interface GiftListenerDeps {
  processor: { processTopicMessage(json: string, origin: MessageOrigin): Promise<TopicOutcome> }
  invalidMessages: InvalidMessageReporter
  metrics: PromotionMetrics
  retryer: Retryer
  logger: Logger
}

/** What a gift topic's listener does with a batch: every message settled, bad ones to the invalid topic. */
export function giftBatchHandler(type: PromotionType, deps: GiftListenerDeps): BatchHandler {
  const settle = async (message: TopicMessage) => {
    const json = decodeUtf8(message.value)
    if (json !== undefined) return deps.processor.processTopicMessage(json, message)
    await deps.invalidMessages.report(message, message.value === null ? 'no value' : 'not UTF-8')
    deps.metrics.consumed.inc({ type, outcome: 'invalid' })
    return
  }
  return (messages, signal) =>
    settleBatch(
      messages.map(message => () => settle(message)),
      { retryer: deps.retryer, logger: deps.logger, signal },
    )
}
