import { z } from 'zod'
import { PROCESS_STATUSES } from '#database/gifts/process-status.ts'
import { PROMOTION_STATUSES } from '#database/promotions/promotion-status.ts'
import { isExactId, isExactInteger, sourceOf } from '#queues/exact-integer.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { BOTTLENECK_CODES } from './snapshot/cause.ts'

/** 64-bit ids stand as strings in all JSON: a JavaScript number would round them. */
const ID_COMPLAINT = 'must be an integer from 1 to 2^63-1, as a string of digits'
export const id = z
  .string(ID_COMPLAINT)
  .regex(/^[1-9]\d{0,18}$/, { error: ID_COMPLAINT, abort: true })
  .refine(isExactId, 'must be an integer from 1 to 2^63-1')

export const promotionType = z.enum(PROMOTION_TYPES)
const count = z.number()
const time = z.string().nullable()

/** PostgreSQL keeps neither NUL nor half a character. */
function storableText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine(value => !value.includes('\0') && value.isWellFormed(), 'must be text')
}

export const promotionParams = z.object({ id })
export const giftParams = z.object({ type: promotionType, targetId: id })
export const pageQuery = z.object({
  cursor: z
    .string()
    .regex(/^\d{1,19}$/, { error: 'must be a nextCursor', abort: true })
    .refine(isExactInteger, 'must be a nextCursor')
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
})
export const giftQuery = pageQuery.extend({
  status: z.enum(PROCESS_STATUSES).optional(),
  memberId: id.optional(),
  errorCode: storableText(100).optional(),
  partitionKey: storableText(1000).optional(),
})

/** Of a query: a form sends empty fields too. */
export const filledOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(query => Object.fromEntries(Object.entries(query as object).filter(([, value]) => value !== '')), schema)

export const progressQuery = z.object({
  q: storableText(200).optional(),
  status: z.enum(PROMOTION_STATUSES).optional(),
  page: z.coerce.number().int().min(1).max(1000).default(1),
})

/** A whole number, also as the exact JSON parser hands it on. */
export const wholeNumber = (minimum: number, maximum: number) =>
  z.preprocess(value => {
    const source = sourceOf(value)
    return source === undefined ? value : Number(source)
  }, z.number().int().min(minimum).max(maximum))

/** 0 … 2^63−1, exact: as a JSON integer or digits; a string within. */
const ceiling = z.preprocess(
  value => sourceOf(value) ?? value,
  z
    .union([z.string(), z.number().int()])
    .transform(String)
    .refine(isExactInteger, 'must be an integer from 0 to 2^63-1'),
)

export const newPromotion = z.object({
  id,
  type: promotionType,
  name: storableText(200).default(''),
  totalCount: wholeNumber(0, 1e12).default(0),
  /** Ceilings, 0 = none: gifts, and the sum of their amounts in minor units. */
  maxGiftCount: ceiling.default('0'),
  maxTotalAmount: ceiling.default('0'),
  /** By when it should be done. */
  deadlineAt: z.iso.datetime({ offset: true }).nullable().default(null),
  /** Of two promotions the one with twice the weight gets twice as many slots (WORKER_SLOTS_BY_DEADLINE). */
  weight: wholeNumber(1, 1000).default(1),
})

export const MAX_SELECTED = 500
export const selectedGifts = z.object({ targetIds: z.array(id).min(1).max(MAX_SELECTED) })

export const concurrencyBody = z.object({
  /** Slots in each worker process; null = as many as the total asks for. */
  consumersPerInstance: wholeNumber(1, 100_000).nullable(),
})

export const promotionSchema = z.object({
  id: z.string(),
  name: z.string(),
  type: promotionType,
  status: z.enum(PROMOTION_STATUSES),
  totalCount: count,
  startedAt: time,
  finishedAt: time,
  /** Why it was paused, if not by a person. */
  pauseReason: z.string().nullish(),
  consumersPerInstance: count.nullish(),
  maxGiftCount: z.string().optional(),
  maxTotalAmount: z.string().optional(),
  deadlineAt: time.optional(),
  weight: count.optional(),
  /** First gifts that are confirmed before the others are paid, and how many are; null = none. */
  canaryGifts: count.nullish(),
  canaryConfirmed: count.optional(),
  rows: count,
  gifts: z.record(z.enum(PROCESS_STATUSES), count),
  done: count,
  expected: count,
  active: count,
  waiting: count,
  slots: count,
  slotsInUse: count,
  perSecond: count,
  eta: z.object({ likely: count, soonest: count, latest: count }).nullable(),
  /** Will it be done by its deadline, as things go now? Null without one, and while nothing moves. */
  verdict: z
    .object({
      isInTime: z.boolean(),
      likely: z.iso.datetime(),
      from: z.iso.datetime(),
      to: z.iso.datetime(),
      /** Below 0: so many seconds late. */
      spareS: count,
    })
    .nullable(),
  bottlenecks: z.array(
    z.object({
      code: z.enum(BOTTLENECK_CODES),
      level: z.enum(['good', 'wait', 'bad']),
      text: z.string(),
      remedy: z.string().optional(),
      since: z.iso.datetime().optional(),
    }),
  ),
})

/** As a receipt has it (docs/seal.md); `fingerprint`: SHA-256 of the public key. */
export const sealSchema = z.object({
  statement: z.string(),
  signature: z.string(),
  publicKey: z.string(),
  fingerprint: z.string(),
})

export const giftSchema = z.object({
  id: z.string(),
  type: promotionType,
  promotionId: z.string(),
  promotionSummaryId: z.string(),
  targetId: z.string(),
  partitionKey: z.string(),
  memberId: z.string(),
  amount: z.string(),
  processStatus: z.enum(PROCESS_STATUSES),
  moneyKey: z.string().nullable(),
  attempts: count,
  errorCode: z.string().nullable(),
  errorMessage: z.string().nullable(),
  message: z.string(),
  enqueued: z.boolean(),
  kafkaPartition: count.nullable(),
  kafkaOffset: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
})

export const attemptsSchema = z.array(
  z.object({
    attempt: count,
    at: z.string(),
    processStatus: z.enum(PROCESS_STATUSES),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
  }),
)

export const timelineSchema = z.array(
  z.object({
    step: z.enum(['kafka', 'inserted', 'added', 'delivered', 'attempts', 'charge', 'acked']),
    state: z.enum(['done', 'now', 'open', 'not-recorded']),
    at: time,
    text: z.string(),
  }),
)

export const historyQuery = z.object({ span: z.enum(['minutes', 'life']).default('minutes') })

export const historySchema = z.array(z.object({ at: count, perSecond: count, latencyMs: count.nullable() }))

export const instanceSchema = z.object({
  instance: z.string(),
  host: z.string(),
  pid: count,
  startedAt: z.string(),
  at: z.string(),
  breaker: z.string(),
  credentialsRefused: z.boolean(),
  rateLimited: z.boolean(),
  slotsInUse: count,
  slotsMax: count,
})

export const promotionInstanceSchema = instanceSchema.extend({
  /** When it answered the promotion's started event; null: it has not, or its last 1,000 do not go back so far. */
  startedEventAt: time,
  /** Its consumers of the promotion; null: it has none. */
  consumers: z.object({ slots: count, slotsInUse: count, isPaused: z.boolean() }).nullable(),
})

export const auditSchema = z.object({
  id: z.string(),
  at: z.string(),
  who: z.string(),
  what: z.string(),
  target: z.string().nullable(),
  detail: z.unknown(),
  outcome: z.string().nullable(),
})
