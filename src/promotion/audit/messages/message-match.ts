import { MARK, type RowTable } from '#promotion/audit/row-table.ts'
import type { AuditedGift } from './gift-reader.ts'
import type { PlaceSet } from './place-set.ts'

/** Where a message stands, and what it says; undefined when it cannot be a gift. */
export interface AuditedMessage {
  topic: string
  partition: number
  offset: string
  value: Buffer | null
  gift: AuditedGift | undefined
  /** The promotion that it names, whether it is a gift or not. */
  promotionId: string | undefined
  /** When its record was written, in ms since the epoch. */
  timestampMs?: number | undefined
}

/** What is known of the messages that became no row. */
export interface Explained {
  skipped: PlaceSet
  invalid: PlaceSet
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
  const { gift, promotionId } = message
  if (promotionIds.size > 0 && (promotionId === undefined || !promotionIds.has(promotionId))) return 'foreign'
  const byRow = gift === undefined ? undefined : matchRow(message, gift, table)
  if (byRow !== undefined && byRow !== 'differs') return byRow
  // A row may come from the same place of a topic that was made again: then this message has its own account.
  const explanation = explain(message, explained)
  if (byRow === undefined || explanation !== 'lost') return explanation
  if (gift !== undefined) table.mark(table.find(gift.targetId), MARK.messageSeen)
  return 'differs'
}

function matchRow(message: AuditedMessage, gift: AuditedGift, table: RowTable): MessageVerdict | undefined {
  const row = table.find(gift.targetId)
  if (row < 0) return undefined
  const agrees = table.agrees(row, gift)
  const isOrigin = table.cameFrom(row, message.partition, message.offset)
  if (isOrigin ?? agrees) {
    if (agrees) table.mark(row, MARK.messageSeen)
    return agrees ? 'row' : 'differs'
  }
  return agrees ? 'duplicate' : undefined
}

function explain({ topic, partition, offset, value, gift }: AuditedMessage, explained: Explained): MessageVerdict {
  if (explained.skipped.has(topic, partition, offset, value)) return 'skipped'
  if (explained.invalid.has(topic, partition, offset, value)) return 'invalid'
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
