import type { Kysely } from 'kysely'
import { type AttemptRecord, listAttempts } from '#database/gifts/attempts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { findGift } from '#database/gifts/gift-pages.ts'
import type { Operations } from '#promotion/operations.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import { giftTimeline, type TimelineStep } from './gift-timeline.ts'
import { findWhereabouts, type WhereaboutsDeps } from './gift-whereabouts.ts'

export interface GiftLook {
  gift: GiftRecord
  /** The last 50, unless the first one succeeded. */
  attempts: AttemptRecord[]
  timeline: TimelineStep[]
}

export interface GiftService {
  /** Throws `GIFT_NOT_FOUND`. */
  look(type: PromotionType, targetId: string): Promise<GiftLook>
  /** One more attempt of some UNKNOWN gifts of a promotion; returns how many. Throws as `retryUnknown` does. */
  retrySelected(promotionId: string, targetIds: readonly string[]): Promise<number>
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
      const [attempts, whereabouts] = await Promise.all([
        listAttempts(deps.kysely, type, targetId),
        findWhereabouts(gift, deps),
      ])
      return { gift, attempts, timeline: giftTimeline(gift, whereabouts) }
    },
    retrySelected: async (promotionId, targetIds) =>
      (await deps.operations.retryUnknown(promotionId, { targetIds })).retried,
    retry: async (type, targetId) => {
      const { processStatus, promotionId } = await found(type, targetId)
      if (processStatus === 'PENDING' || processStatus === 'RETRYING') {
        throw new CodedError('GIFT_WRONG_STATE', `the gift is ${processStatus}: it is tried without being asked`)
      }
      await deps.operations.retryUnknown(promotionId, { targetIds: [targetId] })
    },
  }
}
