import { p } from '@mikro-orm/core'
import { PROCESS_STATUSES } from '#database/gifts/process-status.ts'

/** Columns that a voucher's and a point's result row share; ids and amounts are exact strings of digits. */
export const giftResultProperties = {
  id: p.bigint('string').primary().autoincrement(),
  promotionId: p.bigint('string'),
  promotionSummaryId: p.bigint('string'),
  partitionKey: p.text(),
  memberId: p.bigint('string'),
  amount: p.bigint('string'),
  processStatus: p.enum(PROCESS_STATUSES).default('PENDING'),
  moneyKey: p.text().nullable(),
  /** POSTs sent. */
  attempts: p.integer().default(0),
  errorCode: p.text().nullable(),
  errorMessage: p.text().nullable(),
  /** The JSON exactly as it came from Kafka. */
  message: p.text(),
  /** Was an entry ever meant to be on the stream for it? Set at insert, or by refill; never tells whether it is there now. */
  enqueued: p.boolean().default(false),
  kafkaPartition: p.integer().nullable(),
  kafkaOffset: p.bigint('string').nullable(),
  /** When its Kafka record was written; its key may be as old. */
  kafkaTime: p.datetime().columnType('timestamptz').nullable(),
  /** Its POST is preceded by the GET. */
  askFirst: p.boolean().default(false),
  createdAt: p.datetime().columnType('timestamptz').defaultRaw('now()'),
  updatedAt: p.datetime().columnType('timestamptz').defaultRaw('now()'),
}
