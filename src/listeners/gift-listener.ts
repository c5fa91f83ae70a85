import type { BatchHandler } from '#kafka/topic-consumer.ts'
import type { TopicMessage } from '#kafka/topic-message.ts'
import type { MessageConservation } from '#promotion/intake/conservation.ts'
import type { DoStep, TakenMessage, TopicOutcome } from '#promotion/intake/gift-intake.ts'
import type { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'
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
    const unreadable: TopicMessage[] = []
    for (const origin of messages) {
      const json = decodeUtf8(origin.value)
      if (json === undefined) unreadable.push(origin)
      else readable.push({ json, origin })
    }
    const settle = async (doStep: DoStep) => {
      const [taken, rejected] = await Promise.all([
        processor.processTopicMessages(readable, doStep, onProgress),
        Promise.all(unreadable.map(message => reject(message, doStep))),
      ])
      return taken.concat(rejected)
    }
    const outcomes = await settleAsOne(settle, { retryer, logger, signal })
    conservation.settled(type, messages.length, outcomes)
  }
}
