import { describe, expect, test } from '@jest/globals'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { loadConfig } from '#config/load.ts'
import { workerSchema } from '#config/schemas.ts'
import { idempotencyKey } from '#money/charge.ts'
import { parseGift } from '#promotion/intake/gift-message.ts'
import { findGiftType, GIFT_TYPES, PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { promotionStreams } from '#queues/promotion-stream.ts'
import { parseRetryJobId, retryJobId } from '#queues/retry.queue.ts'

const ENVIRONMENT = {
  DATABASE_URL: 'postgres://127.0.0.1/x',
  REDIS_URL: 'redis://127.0.0.1',
  KAFKA_BROKERS: '127.0.0.1:9092',
  MONEY_API_URL: 'http://127.0.0.1',
  KAFKA_GROUP_ID: 'g',
}

/** Names that other programs know; whoever changes one breaks them. */
const NAMES = {
  VOUCHER: {
    streamKey: 'campaign-promotion-42:voucher:stream',
    groupName: 'campaign-promotion-42-voucher-group',
    table: ['campaign_promotion_voucher_result', 'voucher_target_id'],
    topics: ['prepay-campaign-promotion-voucher', 'prepay-campaign-promotion-voucher-retry'],
    groups: ['g-voucher', 'g-voucher-retry'],
    targetField: 'voucherTargetId',
  },
  POINT: {
    streamKey: 'campaign-promotion-42:point:stream',
    groupName: 'campaign-promotion-42-point-group',
    table: ['campaign_promotion_point_result', 'point_target_id'],
    topics: ['prepay-campaign-promotion-point', 'prepay-campaign-promotion-point-retry'],
    groups: ['g-point', 'g-point-retry'],
    targetField: 'pointTargetId',
  },
} satisfies Record<PromotionType, unknown>

describe.each(PROMOTION_TYPES)('%s', type => {
  const names = NAMES[type]

  test('has the names that other programs know', () => {
    const { resultTable, targetColumn, targetField } = GIFT_TYPES[type]
    const stream = promotionStreams('')[type]
    const { gifts, retries } = giftTopicsOf(loadConfig(workerSchema, ENVIRONMENT))[type]
    expect({
      streamKey: stream.streamKey('42'),
      groupName: stream.groupName('42'),
      table: [resultTable, targetColumn],
      topics: [gifts.topic, retries.topic],
      groups: [gifts.groupId, retries.groupId],
      targetField,
    }).toEqual(names)
    expect(idempotencyKey({ type, targetId: '7' })).toBe(`${type}:7`)
  })

  test('takes its topics from its own settings', () => {
    const { gifts, retries } = GIFT_TYPES[type].topics
    const environment = { ...ENVIRONMENT, [gifts.setting]: 'a', [retries.setting]: 'b' }
    expect(giftTopicsOf(loadConfig(workerSchema, environment))[type]).toEqual({
      gifts: { topic: 'a', groupId: names.groups[0] },
      retries: { topic: 'b', groupId: names.groups[1] },
    })
  })

  test('has a prefix of the installation before its streams, and none before its group', () => {
    const stream = promotionStreams('p:')[type]
    expect([stream.streamKey('42'), stream.groupName('42')]).toEqual([`p:${names.streamKey}`, names.groupName])
  })

  test('reads the target of its own messages, and of no other type', () => {
    const gift = { promotionId: '1', promotionSummaryId: '2', partitionKey: 'k', memberId: '3', amount: '4' }
    const messageOf = (field: string) => JSON.stringify({ ...gift, [field]: '9223372036854775807' })
    expect(parseGift(type, messageOf(names.targetField))).toMatchObject({
      ok: true,
      message: { ...gift, targetId: '9223372036854775807' },
    })
    for (const other of PROMOTION_TYPES.filter(each => each !== type))
      expect(parseGift(type, messageOf(GIFT_TYPES[other].targetField))).toMatchObject({ ok: false })
  })

  test('is found by its name, and in the id of its retry jobs', () => {
    expect(findGiftType(type)).toBe(type)
    expect(parseRetryJobId(retryJobId(type, '7'))).toEqual({ type, targetId: '7' })
  })
})

test('a name that is none is no type', () => {
  for (const name of ['voucher', 'toString', '', undefined]) expect(findGiftType(name)).toBeUndefined()
})

test('no two types share a name', () => {
  const all = PROMOTION_TYPES.flatMap(type => {
    const { streamKey, groupName, resultTable, targetField, targetColumn, topics } = GIFT_TYPES[type]
    const { gifts, retries } = topics
    const ofTopics = [gifts, retries].flatMap(({ setting, defaultName, groupSuffix }) => [
      `setting ${setting}`,
      `topic ${defaultName}`,
      `group ${groupSuffix}`,
    ])
    return [streamKey('1'), groupName('1'), resultTable, targetField, targetColumn, ...ofTopics]
  })
  expect(new Set(all).size).toBe(all.length)
})
