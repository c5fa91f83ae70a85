import { defineEntity, p } from '@mikro-orm/core'
import { GIFT_TYPES, PROMOTION_TYPES } from '#queues/gift-types.ts'
import { giftResultProperties } from './gift-result.properties.ts'

/** The result rows of each gift type: the same columns, and a target of its own name. */
export const giftResultEntities = PROMOTION_TYPES.map(type => {
  const { resultTable, targetField } = GIFT_TYPES[type]
  return defineEntity({
    name: resultTable,
    tableName: resultTable,
    properties: { ...giftResultProperties, [targetField]: p.bigint('string').unique() },
  })
})
