import { z } from 'zod'
import { findGiftType, PROMOTION_TYPES, type PromotionType } from './gift-types.ts'

/** BullMQ's queue for gifts whose first call failed; its handler is `workers/retry.worker.ts`. */
export const RETRY_QUEUE_NAME = 'campaign-promotion-retry'

/** A job only points at its row, like a stream entry: what is paid is what the row says. Ids are exact digits. */
export const retryJobData = z.object({
  type: z.enum(PROMOTION_TYPES),
  promotionId: z.string(),
  targetId: z.string(),
  /** How long the Money API asked us to wait, in ms since the epoch. */
  notBefore: z.number().optional(),
  /** W3C trace context of the attempt that is repeated, while gifts are traced. */
  traceparent: z.string().optional(),
})

export type RetryJobData = z.infer<typeof retryJobData>

/** The job's id: the idempotency key with `-` for `:`, which BullMQ refuses in ids. One live job a gift. */
export function retryJobId(type: PromotionType, targetId: string): string {
  return `${type}-${targetId}`
}

/** The gift that a job's id names; undefined when it is none of ours. */
export function parseRetryJobId(id: string): { type: PromotionType; targetId: string } | undefined {
  const [, type, targetId] = /^([A-Z]+)-(\d{1,19})$/.exec(id) ?? []
  const known = findGiftType(type)
  return known === undefined || targetId === undefined ? undefined : { type: known, targetId }
}

/** Pause before POST number `attempts + 1`, in ms: exponential, full jitter (AWS, «Exponential Backoff And Jitter»). */
export function retryDelayMs(
  attempts: number,
  policy: { baseMs: number; maxMs: number },
  random: () => number = Math.random,
): number {
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.max(0, attempts - 1))
  return Math.ceil(random() * ceilingMs)
}
