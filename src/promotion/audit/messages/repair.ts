import type { InsertOutcome } from '#database/gifts/gift.ts'
import type { GiftResultRepositories } from '#database/gifts/results.ts'
import type { SkippedRepository } from '#database/gifts/skipped.ts'
import { isContentError } from '#database/sql-errors.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { decodeUtf8 } from '#runtime/utf8.ts'
import type { AuditedGift } from './gift-reader.ts'

/** A message that listeners have passed, and of which nothing is left: PostgreSQL lost it, or somebody deleted it. */
export interface MissingGift {
  type: PromotionType
  topic: string
  partition: number
  offset: string
  value: Buffer | null
  timestampMs?: number | undefined
  gift: AuditedGift
}

/** What became of one; `refused` by the database for its content. */
export type RepairOutcome = InsertOutcome['kind'] | 'refused'

export type Repair = (missing: readonly MissingGift[]) => Promise<RepairOutcome[]>

/**
 * Inserts them again as a listener would, without an entry: refill puts those on the stream whose promotion runs. Each may
 * have been paid before its row was lost, so that its POST is preceded by the GET.
 */
export function createRepair(results: GiftResultRepositories, skipped: SkippedRepository): Repair {
  const repairOne = async (missing: MissingGift): Promise<RepairOutcome> => {
    const { type, topic, partition, offset, value, timestampMs, gift } = missing
    const message = decodeUtf8(value) ?? ''
    const outcome = await results[type].insert({
      ...gift,
      message,
      kafkaPartition: partition,
      kafkaOffset: offset,
      kafkaTimeMs: timestampMs ?? null,
      asksFirst: true,
      wantsEntry: false,
    })
    if (outcome.kind === 'skipped') {
      const { promotionId, targetId } = gift
      await skipped.insert({ topic, partition, offset, promotionId, targetId, reason: outcome.reason, message })
    }
    return outcome.kind
  }
  return missing =>
    Promise.all(
      missing.map(each =>
        repairOne(each).catch(error => {
          if (!isContentError(error)) throw error
          return 'refused' as const
        }),
      ),
    )
}
