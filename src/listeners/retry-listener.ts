import { z } from 'zod'
import type { BatchHandler } from '#kafka/topic-consumer.ts'
import type { TopicMessage } from '#kafka/topic-message.ts'
import { parseMessage } from '#promotion/intake/gift-message.ts'
import type { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import { exactInteger, sourceOf } from '#queues/exact-integer.ts'
import { GIFT_TYPES, type PromotionType } from '#queues/gift-types.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Retryer } from '#runtime/retryer.ts'
import { decodeUtf8 } from '#runtime/utf8.ts'
import { settleBatch, type Work } from './settle-batch.ts'

export interface RetryListenerDeps {
  retryJobs: Pick<RetryJobs, 'add'>
  invalidMessages: InvalidMessageReporter
  retryer: Retryer
  logger: Logger
}

/** A count or a time as the exact parser hands it over, or its digits. What an object would convert to is not asked. */
const wholeNumber = z.preprocess(value => {
  const source = sourceOf(value) ?? value
  return typeof source === 'string' ? Number(source) : source
}, z.number().int().min(0))

/** What a retry topic's listener does with a batch: one delayed BullMQ job a gift. */
export function retryBatchHandler(type: PromotionType, deps: RetryListenerDeps): BatchHandler {
  const { targetField } = GIFT_TYPES[type]
  const schema = z
    .object({
      promotionId: exactInteger,
      [targetField]: exactInteger,
      attempt: wholeNumber.catch(1),
      notBefore: wholeNumber.optional().catch(undefined),
    })
    .transform(
      fields => fields as { promotionId: string; attempt: number; notBefore?: number } & Record<string, string>,
    )

  return async (messages, signal) => {
    const jobs: Parameters<RetryJobs['add']>[0][number][] = []
    const invalid: { message: TopicMessage; reason: string }[] = []
    for (const message of messages) {
      const parsed = parseMessage(schema, decodeUtf8(message.value) ?? '')
      if (!parsed.ok) {
        invalid.push({ message, reason: parsed.reason })
        continue
      }
      const { promotionId, attempt, notBefore } = parsed.message
      const targetId = parsed.message[targetField] as string
      const { traceparent } = message
      const data = {
        ...{ type, promotionId, targetId },
        ...(notBefore === undefined ? {} : { notBefore }),
        ...(traceparent === undefined ? {} : { traceparent }),
      }
      jobs.push({ data, attempts: Math.max(1, attempt) })
    }
    const works = invalid.map(
      ({ message, reason }): Work =>
        doStep =>
          doStep(() => deps.invalidMessages.report(message, reason)),
    )
    if (jobs.length > 0) works.push(doStep => doStep(() => deps.retryJobs.add(jobs)))
    await settleBatch(works, { retryer: deps.retryer, logger: deps.logger, signal })
  }
}
