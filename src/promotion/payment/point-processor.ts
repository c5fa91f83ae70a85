import { type ParsedMessage, parseMessage } from '#promotion/intake/gift-message.ts'
import { type CampaignPromotionPointMessage, pointMessage } from '#queues/point.queue.ts'
import { AbstractCampaignPromotionProcessor } from './processor.ts'

export class CampaignPromotionPointProcessor extends AbstractCampaignPromotionProcessor<CampaignPromotionPointMessage> {
  protected override readonly type = 'POINT'
  protected override readonly targetField = 'pointTargetId'

  protected override parseMessage(json: string): ParsedMessage<CampaignPromotionPointMessage> {
    return parseMessage(pointMessage, json)
  }

  protected override getTargetId(message: CampaignPromotionPointMessage): string {
    return message.pointTargetId
  }
}
