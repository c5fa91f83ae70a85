import { type ParsedMessage, parseMessage } from '#promotion/intake/gift-message.ts'
import { type CampaignPromotionVoucherMessage, voucherMessage } from '#queues/voucher.queue.ts'
import { AbstractCampaignPromotionProcessor } from './processor.ts'

export class CampaignPromotionVoucherProcessor extends AbstractCampaignPromotionProcessor<CampaignPromotionVoucherMessage> {
  protected override readonly type = 'VOUCHER'
  protected override readonly targetField = 'voucherTargetId'

  protected override parseMessage(json: string): ParsedMessage<CampaignPromotionVoucherMessage> {
    return parseMessage(voucherMessage, json)
  }

  protected override getTargetId(message: CampaignPromotionVoucherMessage): string {
    return message.voucherTargetId
  }
}
