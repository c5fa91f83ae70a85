import { byGiftType, type PromotionType } from '#queues/gift-types.ts'
import type { ProcessorDeps } from './processing.ts'
import { AbstractCampaignPromotionProcessor } from './processor.ts'
import { AbstractCampaignPromotionRetryProcessor, type RetryProcessorDeps } from './retry-processor.ts'

/** The processors of each gift type by their names in the planning documents. */

export class CampaignPromotionVoucherProcessor extends AbstractCampaignPromotionProcessor {
  protected override readonly type = 'VOUCHER'
}

export class CampaignPromotionPointProcessor extends AbstractCampaignPromotionProcessor {
  protected override readonly type = 'POINT'
}

export class CampaignPromotionVoucherRetryProcessor extends AbstractCampaignPromotionRetryProcessor {
  protected override readonly type = 'VOUCHER'
}

export class CampaignPromotionPointRetryProcessor extends AbstractCampaignPromotionRetryProcessor {
  protected override readonly type = 'POINT'
}

type ProcessorClass = new (deps: ProcessorDeps) => AbstractCampaignPromotionProcessor
type RetryProcessorClass = new (deps: RetryProcessorDeps) => AbstractCampaignPromotionRetryProcessor

const PROCESSORS: Readonly<Record<PromotionType, [ProcessorClass, RetryProcessorClass]>> = {
  VOUCHER: [CampaignPromotionVoucherProcessor, CampaignPromotionVoucherRetryProcessor],
  POINT: [CampaignPromotionPointProcessor, CampaignPromotionPointRetryProcessor],
}

export function createProcessors(deps: ProcessorDeps) {
  return byGiftType(type => new PROCESSORS[type][0](deps))
}

export function createRetryProcessors(deps: RetryProcessorDeps) {
  return byGiftType(type => new PROCESSORS[type][1](deps))
}
