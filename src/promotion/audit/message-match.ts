import type { AuditedGift } from './gift-reader.ts'
import type { OffsetSet } from './offset-set.ts'
import { MARK, type RowTable } from './row-table.ts'

/** Where a message stands, and what it says; undefined when it cannot be a gift. */
export interface AuditedMessage {
  topic: string
  partition: number
  offset: string
  gift: AuditedGift | undefined
}

/** What is known of the messages that became no row. */
export interface Explained {
  skipped: OffsetSet
  invalid: OffsetSet
  /** The invalid topic no longer holds all it was given: an unreadable message without a record there proves nothing. */
  isInvalidTrimmed: boolean
}

/**
 * What became of a message.
 * - `row`: a row says that it came from it. `differs`: one does, and says something else.
 * - `duplicate`: its target has a row that came from another message and says the same.
 * - `foreign`: of a promotion that is not looked at.
 * - `lost`: nothing accounts for it.
 */
export type MessageVerdict = 'row' | 'differs' | 'duplicate' | 'skipped' | 'invalid' | 'foreign' | 'lost'

/** Judges one message, and marks the row that came from it. `promotionIds` empty = all. */
export function matchMessage(
  message: AuditedMessage,
  table: RowTable,
  explained: Explained,
  promotionIds: ReadonlySet<string>,
): MessageVerdict {
  const { gift } = message
  if (promotionIds.size > 0 && (gift === undefined || !promotionIds.has(gift.promotionId))) return 'foreign'
  const byRow = gift === undefined ? undefined : matchRow(message, gift, table)
  return byRow ?? explain(message, explained)
}

function matchRow(message: AuditedMessage, gift: AuditedGift, table: RowTable): MessageVerdict | undefined {
  const row = table.find(gift.targetId)
  if (row < 0) return undefined
  const agrees = table.agrees(row, gift)
  const isOrigin = table.cameFrom(row, message.partition, message.offset)
  if (isOrigin ?? agrees) {
    table.mark(row, MARK.messageSeen)
    return agrees ? 'row' : 'differs'
  }
  return agrees ? 'duplicate' : undefined
}

function explain({ topic, partition, offset, gift }: AuditedMessage, explained: Explained): MessageVerdict {
  if (explained.skipped.has(topic, partition, offset)) return 'skipped'
  if (explained.invalid.has(topic, partition, offset)) return 'invalid'
  return gift === undefined && explained.isInvalidTrimmed ? 'invalid' : 'lost'
}

/** A row that no message was seen of: was its message older than what Kafka keeps? `low` by partition. */
export function isExpired(
  row: { kafkaPartition: number | null; kafkaOffset: string | null },
  low: ReadonlyMap<number, bigint>,
): boolean {
  const firstKept = row.kafkaPartition === null ? undefined : low.get(row.kafkaPartition)
  return firstKept !== undefined && row.kafkaOffset !== null && BigInt(row.kafkaOffset) < firstKept
}
