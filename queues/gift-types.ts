import type { z } from 'zod'
import { exactInteger } from './exact-integer.ts'
import { giftFields } from './gift-message.ts'

/** A topic of one gift type, the setting that names it, and the listener's consumer group: `{KAFKA_GROUP_ID}-{groupSuffix}`. */
interface GiftTopic {
  setting: `KAFKA_TOPIC_${string}`
  defaultName: string
  groupSuffix: string
}

/** Everything in which one type of gift differs from the others. */
interface GiftTypeDefinition {
  /** What people call one of them. */
  label: string
  /** The fields of its Kafka message; unknown ones are kept in the JSON, not here. */
  message: z.ZodObject
  /** The field of the message that names the target. */
  targetField: string
  /** Redis key of one promotion's stream, without the installation's prefix, and its consumer group. */
  streamKey(promotionId: string): string
  groupName(promotionId: string): string
  /** Where its result rows stand, and the column of the target, which is unique. */
  resultTable: string
  targetColumn: string
  topics: { gifts: GiftTopic; retries: GiftTopic }
}

/**
 * The one table of gift types: whatever has to know all of them reads it. Its keys stand in messages, rows and idempotency
 * keys. docs/new-gift-type.md tells how one is added.
 */
export const GIFT_TYPES = {
  VOUCHER: {
    label: 'voucher',
    message: giftFields.extend({ voucherTargetId: exactInteger }),
    targetField: 'voucherTargetId',
    streamKey: promotionId => `campaign-promotion-${promotionId}:voucher:stream`,
    groupName: promotionId => `campaign-promotion-${promotionId}-voucher-group`,
    resultTable: 'campaign_promotion_voucher_result',
    targetColumn: 'voucher_target_id',
    topics: {
      gifts: {
        setting: 'KAFKA_TOPIC_VOUCHER',
        defaultName: 'prepay-campaign-promotion-voucher',
        groupSuffix: 'voucher',
      },
      retries: {
        setting: 'KAFKA_TOPIC_VOUCHER_RETRY',
        defaultName: 'prepay-campaign-promotion-voucher-retry',
        groupSuffix: 'voucher-retry',
      },
    },
  },
  POINT: {
    label: 'point',
    message: giftFields.extend({ pointTargetId: exactInteger }),
    targetField: 'pointTargetId',
    streamKey: promotionId => `campaign-promotion-${promotionId}:point:stream`,
    groupName: promotionId => `campaign-promotion-${promotionId}-point-group`,
    resultTable: 'campaign_promotion_point_result',
    targetColumn: 'point_target_id',
    topics: {
      gifts: {
        setting: 'KAFKA_TOPIC_POINT',
        defaultName: 'prepay-campaign-promotion-point',
        groupSuffix: 'point',
      },
      retries: {
        setting: 'KAFKA_TOPIC_POINT_RETRY',
        defaultName: 'prepay-campaign-promotion-point-retry',
        groupSuffix: 'point-retry',
      },
    },
  },
} as const satisfies Record<string, GiftTypeDefinition>

/** What a promotion gives. */
export type PromotionType = keyof typeof GIFT_TYPES

export const PROMOTION_TYPES = Object.keys(GIFT_TYPES) as [PromotionType, ...PromotionType[]]

type Topics = (typeof GIFT_TYPES)[PromotionType]['topics']

/** The settings that name the gift types' topics. */
export type GiftTopicSetting = Topics['gifts' | 'retries']['setting']

/** What each type gets by `make`, in the order of the table. */
export function byGiftType<Value>(make: (type: PromotionType) => Value): Record<PromotionType, Value> {
  return Object.fromEntries(PROMOTION_TYPES.map(type => [type, make(type)])) as Record<PromotionType, Value>
}

/** The type of that name; undefined when there is none. */
export function findGiftType(name: string | undefined): PromotionType | undefined {
  return PROMOTION_TYPES.find(type => type === name)
}
