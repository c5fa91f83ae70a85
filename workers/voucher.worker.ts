import type { ProcessorDeps } from '#promotion/processing.ts'
import type { StreamHandlerParts } from '#promotion/stream-manager.ts'
import { CampaignPromotionVoucherProcessor } from '#promotion/voucher-processor.ts'

/** The handler of `queues/voucher.queue.ts`. */
export function voucherWorker(deps: ProcessorDeps): StreamHandlerParts {
  return { stream: deps.streams.VOUCHER, processor: new CampaignPromotionVoucherProcessor(deps) }
}
