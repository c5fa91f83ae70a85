import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import type { ProcessStatus } from './process-status.ts'

/** A gift as it came, ready to be a row. Ids, amount and offset are exact strings of digits. */
export interface NewGift {
  promotionId: string
  promotionSummaryId: string
  targetId: string
  partitionKey: string
  memberId: string
  amount: string
  message: string
  kafkaPartition: number | null
  kafkaOffset: string | null
  /** When its Kafka record was written, in ms since the epoch; null or missing where nobody said. */
  kafkaTimeMs?: number | null
  /** Its POST is preceded by the GET, however young it is: it may have been paid before. */
  asksFirst?: boolean
  /** Put it on the stream? Heeded only while the promotion is IN_PROGRESS. */
  wantsEntry: boolean
}

/** A gift as people look at it: everything that is recorded. Times are ISO 8601, UTC. */
export interface GiftRecord {
  id: string
  type: PromotionType
  promotionId: string
  promotionSummaryId: string
  targetId: string
  partitionKey: string
  memberId: string
  amount: string
  processStatus: ProcessStatus
  moneyKey: string | null
  attempts: number
  errorCode: string | null
  errorMessage: string | null
  message: string
  enqueued: boolean
  kafkaPartition: number | null
  kafkaOffset: string | null
  createdAt: string
  updatedAt: string
}

/** A result row, as far as paying it needs. What is paid is what stands here. */
export interface GiftRow extends Pick<GiftRecord, (typeof PAID_FIELDS)[number]> {
  /** How old its key may be, in ms since the epoch: the older of the row and its Kafka record. */
  createdAtMs: number
  /** The Money API is to be asked before each POST, however young the row is. */
  askFirst: boolean
}

export const PAID_FIELDS = [
  'promotionId',
  'promotionSummaryId',
  'targetId',
  'partitionKey',
  'memberId',
  'amount',
  'processStatus',
  'moneyKey',
  'attempts',
] as const

export type SkipReason =
  | 'promotion-not-found'
  | 'promotion-type-mismatch'
  | 'promotion-completed'
  | 'promotion-stopped'
  /** More than `GIFT_MAX_AMOUNT`. */
  | 'over-limit'
  /** It would go over the promotion's ceiling, of gifts or of their sum. */
  | 'over-budget'

/** What became of an insert. */
export type InsertOutcome =
  | { kind: 'inserted'; promotionStatus: PromotionStatus; enqueued: boolean }
  | { kind: 'duplicate' }
  | { kind: 'target-conflict' }
  | { kind: 'skipped'; reason: SkipReason }

/** One move of a row to another state. `posts` = POSTs sent since the row was read. */
export type Transition =
  | { targetId: string; to: 'SUCCESS'; moneyKey: string; posts: number }
  | { targetId: string; to: 'RETRYING' | 'FAILED' | 'UNKNOWN'; errorCode: string; errorMessage: string; posts: number }

export interface TransitionOutcome {
  changed: boolean
  /** State and money key before; undefined when there is no such row. */
  previous?: { processStatus: ProcessStatus; moneyKey: string | null }
}
