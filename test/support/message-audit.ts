import type { AuditRow, SkippedPlace } from '#database/gifts/audit-rows.ts'
import { Discrepancies } from '#promotion/audit/discrepancies.ts'
import { auditMessages } from '#promotion/audit/messages/messages.ts'
import type { MissingGift, RepairOutcome } from '#promotion/audit/messages/repair.ts'
import { auditDatabase, tableOf } from './audit-rows.ts'
import { type KeptPartition, type KeptRecord, keptTopics } from './kept-topics.ts'

const TOPICS = { VOUCHER: 'vouchers', POINT: 'points' }

interface TopicWorld {
  /** Records of the vouchers' topic by partition. */
  vouchers?: readonly KeptPartition[]
  points?: readonly KeptPartition[]
  invalid?: readonly KeptPartition[]
  /** Topics that do not exist. */
  without?: readonly string[]
  /** The next offset that the listener of vouchers reads, by partition. */
  committed?: readonly number[]
  rows?: Partial<AuditRow>[]
  /** What the database says when it is asked again. */
  now?: Partial<AuditRow>[]
  skipped?: SkippedPlace[]
  scope?: string[]
  repair?: (missing: readonly MissingGift[]) => Promise<RepairOutcome[]>
}

/** Joins messages of Kafka with rows as they were read; `askedWhenRead` = look-ups by then, at each batch. */
export async function auditTopics(world: TopicWorld) {
  const { rows = [], now = rows, scope = [], skipped = [], repair } = world
  const { kafka, read } = keptTopics(
    Object.fromEntries(
      Object.entries({ vouchers: world.vouchers, points: world.points, invalid: world.invalid })
        .filter(([topic]) => !world.without?.includes(topic))
        .map(([topic, partitions]) => [topic, partitions ?? [{ records: [] }]]),
    ),
    { 'group-v/vouchers': world.committed ?? [100, 100] },
  )
  const { kysely, asked } = auditDatabase({ rows: { VOUCHER: now }, promotions: [], skipped })
  const discrepancies = new Discrepancies(2000)
  const progress: (string | number)[] = []
  const askedWhenRead: number[] = []
  const counts = await auditMessages({
    ...{ kysely, kafka, topics: TOPICS, invalidTopic: 'invalid', promotionIds: scope, discrepancies },
    groupIds: { VOUCHER: 'group-v', POINT: 'group-p' },
    tables: { VOUCHER: tableOf(...rows), POINT: tableOf() },
    progress: {
      begin: (what, total) => progress.push(what, total),
      advance: count => {
        progress.push(count)
        askedWhenRead.push(asked.length)
      },
      end: () => progress.push('end'),
    },
    ...(repair && { repair }),
  })
  return { counts, discrepancies: discrepancies.listed, asked, askedWhenRead, progress, read }
}

export const giftOf = (voucherTargetId: string | number, fields: object = {}) =>
  JSON.stringify({
    ...{ promotionId: '42', promotionSummaryId: '1', partitionKey: 'k', memberId: '7', amount: '100' },
    ...{ voucherTargetId: String(voucherTargetId), ...fields },
  })
/** The gift of target n at offset n, and its row. */
export const recordOf = (n: number, fields: object = {}): KeptRecord => ({ offset: n, value: giftOf(n, fields) })
export const rowFor = (n: number, fields: Partial<AuditRow> = {}): Partial<AuditRow> => ({
  ...{ targetId: String(n), kafkaPartition: 0, kafkaOffset: String(n) },
  ...fields,
})
/** From the first to the last. */
export const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
export const NO_MESSAGES = { messages: 0, duplicates: 0, skipped: 0, invalid: 0, expired: 0, repaired: 0 }

/** What is named of a voucher's message on partition 0. */
export const LOST = { kind: 'message-without-row', type: 'VOUCHER', promotionId: '42', topic: 'vouchers', partition: 0 }
export const PASSED = 'the listener has passed it: its row was lost or deleted (--repair puts it back)'
export const NOT_YET = 'the listener has not come to it yet'
