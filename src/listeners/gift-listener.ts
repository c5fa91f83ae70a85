import type { BatchHandler } from '#kafka/topic-consumer.ts'
import type { TopicMessage } from '#kafka/topic-message.ts'
import type { MessageConservation } from '#promotion/intake/conservation.ts'
import type { DoStep, TopicOutcome } from '#promotion/intake/gift-intake.ts'
import type { InvalidMessageReporter, MessageOrigin } from '#promotion/intake/invalid-messages.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'
import { decodeUtf8 } from '#runtime/utf8.ts'
import { settleBatch } from './settle-batch.ts'

export interface GiftListenerDeps {
  processor: { processTopicMessage(json: string, origin: MessageOrigin, doStep: DoStep): Promise<TopicOutcome> }
  invalidMessages: InvalidMessageReporter
  conservation: MessageConservation
  retryer: Retryer
  logger: Logger
}

/** What a gift topic's listener does with a batch: every message settled, bad ones to the invalid topic, all counted. */
export function giftBatchHandler(type: PromotionType, deps: GiftListenerDeps): BatchHandler {
  const settle = async (message: TopicMessage, doStep: DoStep): Promise<TopicOutcome> => {
    const json = decodeUtf8(message.value)
    if (json !== undefined) return deps.processor.processTopicMessage(json, message, doStep)
    const reason = message.value === null ? 'no value' : 'not UTF-8'
    await doStep(() => deps.invalidMessages.report(message, reason))
    return 'invalid'
  }
  return async (messages, signal) => {
    const outcomes = await settleBatch(
      messages.map(message => doStep => settle(message, doStep)),
      { retryer: deps.retryer, logger: deps.logger, signal },
    )
    deps.conservation.settled(type, messages.length, outcomes)
  }
}
