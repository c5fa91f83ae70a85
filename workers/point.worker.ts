import { CampaignPromotionPointProcessor } from '#promotion/point-processor.ts'
import type { ProcessorDeps } from '#promotion/processing.ts'
import type { StreamHandlerParts } from '#promotion/stream-manager.ts'

/** The handler of `queues/point.queue.ts`. */
export function pointWorker(deps: ProcessorDeps): StreamHandlerParts {
  return { stream: deps.streams.POINT, processor: new CampaignPromotionPointProcessor(deps) }
}
