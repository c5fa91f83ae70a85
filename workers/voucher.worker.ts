import type { StreamHandlerParts } from '#promotion/consumers/stream-manager.ts'
import type { ProcessorDeps } from '#promotion/payment/processing.ts'
import { CampaignPromotionVoucherProcessor } from '#promotion/payment/voucher-processor.ts'

/** The handler of `queues/voucher.queue.ts`. */
export function voucherWorker(deps: ProcessorDeps): StreamHandlerParts {
  return { stream: deps.streams.VOUCHER, processor: new CampaignPromotionVoucherProcessor(deps) }
}
