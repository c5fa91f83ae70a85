import type { Kysely } from 'kysely'
import { findGift, type GiftRecord } from '#database/gifts/gift-pages.ts'
import type { Operations } from '#promotion/operations.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import { giftTimeline, type TimelineStep } from './gift-timeline.ts'
import { findWhereabouts, type WhereaboutsDeps } from './gift-whereabouts.ts'

export interface GiftService {
  /** Throws `GIFT_NOT_FOUND`. */
  look(type: PromotionType, targetId: string): Promise<{ gift: GiftRecord; timeline: TimelineStep[] }>
  /** One more attempt of an UNKNOWN gift, with the same key. Throws `GIFT_FINAL` or `GIFT_WRONG_STATE`. */
  retry(type: PromotionType, targetId: string): Promise<void>
}

export function createGiftService(
  deps: WhereaboutsDeps & { kysely: Kysely<unknown>; operations: Pick<Operations, 'retryUnknown'> },
): GiftService {
  const found = async (type: PromotionType, targetId: string) => {
    const gift = await findGift(deps.kysely, type, targetId)
    if (gift === undefined) throw new CodedError('GIFT_NOT_FOUND', `there is no ${type} gift of target ${targetId}`)
    return gift
  }
  return {
    look: async (type, targetId) => {
      const gift = await found(type, targetId)
      return { gift, timeline: giftTimeline(gift, await findWhereabouts(gift, deps)) }
    },
    retry: async (type, targetId) => {
      const { processStatus, promotionId } = await found(type, targetId)
      if (processStatus === 'PENDING' || processStatus === 'RETRYING') {
        throw new CodedError('GIFT_WRONG_STATE', `the gift is ${processStatus}: it is tried without being asked`)
      }
      await deps.operations.retryUnknown(promotionId, { targetIds: [targetId] })
    },
  }
}
