import type { z } from 'zod'
import { exactInteger, giftFields } from './gift-message.ts'
import { promotionStream } from './promotion-stream.ts'

/** The contract of a point promotion's stream; its handler is `workers/point.worker.ts`. */
export const pointQueue = promotionStream('POINT')

export const pointMessage = giftFields.extend({ pointTargetId: exactInteger })

export type CampaignPromotionPointMessage = z.infer<typeof pointMessage>
