import {
  byGiftType,
  GIFT_TYPES,
  type GiftTopicSetting,
  PROMOTION_TYPES,
  type PromotionType,
} from '#queues/gift-types.ts'
import { topicName } from './fields.ts'

/** The gift types' topics, a setting each; every one has a default. */
export const giftTopicFields = Object.fromEntries(
  PROMOTION_TYPES.flatMap(type => Object.values(GIFT_TYPES[type].topics)).map(topic => [
    topic.setting,
    topicName.prefault(topic.defaultName),
  ]),
) as Record<GiftTopicSetting, ReturnType<typeof topicName.prefault>>

/** A gift type's topic as this installation names it, and the group that reads it. */
export interface ReadTopic {
  topic: string
  groupId: string
}

type TopicConfig = Readonly<Record<GiftTopicSetting, string> & { KAFKA_GROUP_ID: string }>

/** What the listeners read, by gift type. */
export function giftTopicsOf(config: TopicConfig): Record<PromotionType, { gifts: ReadTopic; retries: ReadTopic }> {
  const read = ({ setting, groupSuffix }: { setting: GiftTopicSetting; groupSuffix: string }): ReadTopic => ({
    topic: config[setting],
    groupId: `${config.KAFKA_GROUP_ID}-${groupSuffix}`,
  })
  return byGiftType(type => {
    const { gifts, retries } = GIFT_TYPES[type].topics
    return { gifts: read(gifts), retries: read(retries) }
  })
}
