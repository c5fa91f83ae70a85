import type { StreamManagerDeps } from '#promotion/consumers/stream-manager.ts'
import type { ProcessorDeps } from '#promotion/payment/processor.ts'
import { createProcessors } from '#promotion/payment/processors.ts'
import { byGiftType } from '#queues/gift-types.ts'

/** The handlers of the promotions' streams (`queues/promotion-stream.ts`), by what a promotion gives. */
export function giftWorkers(deps: ProcessorDeps): StreamManagerDeps['handlers'] {
  const processors = createProcessors(deps)
  return byGiftType(type => ({ stream: deps.streams[type], processor: processors[type] }))
}
