import type { BatchHandler } from '#kafka/topic-consumer.ts'
import { handlePromotionStarted, type StartedDeps } from '#promotion/consumers/started.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { Retryer } from '#runtime/retryer.ts'
import { decodeUtf8 } from '#runtime/utf8.ts'
import { type GiftListenerDeps, giftBatchHandler } from './gift-listener.ts'
import { type RetryListenerDeps, retryBatchHandler } from './retry-listener.ts'
import { settleBatch } from './settle-batch.ts'

/** The listeners by their names in the planning documents. */

export function campaignVoucherPromotionListener(deps: GiftListenerDeps): BatchHandler {
  return giftBatchHandler('VOUCHER', deps)
}

export function campaignPointPromotionListener(deps: GiftListenerDeps): BatchHandler {
  return giftBatchHandler('POINT', deps)
}

export function campaignVoucherPromotionRetryListener(deps: RetryListenerDeps): BatchHandler {
  return retryBatchHandler('VOUCHER', deps)
}

export function campaignPointPromotionRetryListener(deps: RetryListenerDeps): BatchHandler {
  return retryBatchHandler('POINT', deps)
}

interface GiftListeners {
  gifts(deps: GiftListenerDeps): BatchHandler
  retries(deps: RetryListenerDeps): BatchHandler
}

export const GIFT_LISTENERS: Readonly<Record<PromotionType, GiftListeners>> = {
  VOUCHER: { gifts: campaignVoucherPromotionListener, retries: campaignVoucherPromotionRetryListener },
  POINT: { gifts: campaignPointPromotionListener, retries: campaignPointPromotionRetryListener },
}

/** A broadcast: every worker process hears every event. */
export function campaignPromotionStartedListener(deps: StartedDeps & { retryer: Retryer }): BatchHandler {
  return async (messages, signal) => {
    await settleBatch(
      messages.map(
        ({ value, timestampMs }) =>
          doStep =>
            doStep(() => handlePromotionStarted(decodeUtf8(value) ?? '', deps, timestampMs)),
      ),
      { retryer: deps.retryer, logger: deps.logger, signal },
    )
  }
}
