import type { StreamHandlerParts } from '#promotion/consumers/stream-manager.ts'
import { CampaignPromotionPointProcessor } from '#promotion/payment/point-processor.ts'
import type { ProcessorDeps } from '#promotion/payment/processing.ts'

/** The handler of `queues/point.queue.ts`. */
export function pointWorker(deps: ProcessorDeps): StreamHandlerParts {
  return { stream: deps.streams.POINT, processor: new CampaignPromotionPointProcessor(deps) }
}
