import type { giftResultProperties } from '#database/schema/entities/gift-result.properties.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { RESULT_TABLES } from './result-table.ts'

/** A column of a result row, by the name that the sources have for it; each type calls the target's its own way. */
export type GiftField = keyof typeof giftResultProperties | 'targetId'

/** How a field's column is called, the target's aside. */
export const columnOf = (field: string): string => field.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** Columns of a result row for a select, each by its field's name; `table` is what the query calls it. */
export function giftColumns(type: PromotionType, fields: readonly GiftField[], table?: string): string {
  const { targetColumn } = RESULT_TABLES[type]
  const from = table === undefined ? '' : `${table}.`
  return fields.map(field => `${from}${field === 'targetId' ? targetColumn : columnOf(field)} as "${field}"`).join(', ')
}

/**
 * What a batch of new gifts is called as a table, `with ordinality`: one array of its parameters a column, in this order.
 */
export const INPUT = `i (promotion_id, promotion_summary_id, target_id, partition_key, member_id, amount, message,
  kafka_partition, kafka_offset, kafka_time_ms, asks_first, wants_entry, ordinal)`

/** What an insert writes of each, and from where; `status` is its promotion's. Of an array of texts "" may come as null. */
const WRITTEN = (input: string, status: string) =>
  ({
    promotionId: `${input}.promotion_id`,
    promotionSummaryId: `${input}.promotion_summary_id`,
    targetId: `${input}.target_id`,
    partitionKey: `coalesce(${input}.partition_key, '')`,
    memberId: `${input}.member_id`,
    amount: `${input}.amount`,
    message: `coalesce(${input}.message, '')`,
    kafkaPartition: `${input}.kafka_partition`,
    kafkaOffset: `${input}.kafka_offset`,
    kafkaTime: `to_timestamp(${input}.kafka_time_ms / 1000)`,
    askFirst: `${input}.asks_first`,
    enqueued: `${input}.wants_entry and ${status} = 'IN_PROGRESS'`,
  }) satisfies Partial<Record<GiftField, string>>

/** The columns of an insert, and the expressions that fill them. */
export function insertOf(type: PromotionType, input: string, status: string): { columns: string; values: string } {
  const { targetColumn } = RESULT_TABLES[type]
  const written = WRITTEN(input, status)
  const columns = Object.keys(written).map(field => (field === 'targetId' ? targetColumn : columnOf(field)))
  return { columns: columns.join(', '), values: Object.values(written).join(', ') }
}
