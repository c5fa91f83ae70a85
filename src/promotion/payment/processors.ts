import { byGiftType, type PromotionType } from '#queues/gift-types.ts'
import { AbstractCampaignPromotionProcessor, type ProcessorDeps } from './processor.ts'
import { AbstractCampaignPromotionRetryProcessor, type RetryProcessorDeps } from './retry-processor.ts'

/** The processors of each gift type by their names in the planning documents. */

export class CampaignPromotionVoucherProcessor extends AbstractCampaignPromotionProcessor {
  constructor(deps: ProcessorDeps) {
    super('VOUCHER', deps)
  }
}

export class CampaignPromotionPointProcessor extends AbstractCampaignPromotionProcessor {
  constructor(deps: ProcessorDeps) {
    super('POINT', deps)
  }
}

export class CampaignPromotionVoucherRetryProcessor extends AbstractCampaignPromotionRetryProcessor {
  constructor(deps: RetryProcessorDeps) {
    super('VOUCHER', deps)
  }
}

export class CampaignPromotionPointRetryProcessor extends AbstractCampaignPromotionRetryProcessor {
  constructor(deps: RetryProcessorDeps) {
    super('POINT', deps)
  }
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
