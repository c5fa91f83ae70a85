import type { z } from 'zod'
import { exactInteger, giftFields } from './gift-message.ts'
import { promotionStream } from './promotion-stream.ts'

/** The contract of a voucher promotion's stream; its handler is `workers/voucher.worker.ts`. */
export const voucherQueue = promotionStream('VOUCHER')

export const voucherMessage = giftFields.extend({ voucherTargetId: exactInteger })

export type CampaignPromotionVoucherMessage = z.infer<typeof voucherMessage>
