import { type Kysely, sql } from 'kysely'
import { isContentError } from '#database/sql-errors.ts'
import { Batcher } from '#runtime/batcher.ts'
import type { SkipReason } from './gift.ts'

/** A gift message that its promotion does not take, and where in Kafka it stands. */
export interface SkippedGift {
  topic: string
  partition: number
  offset: string
  promotionId: string
  targetId: string
  reason: SkipReason
  message: string
}

export interface SkippedRepository {
  /** Resolves after the commit. The same message again, by place and content, changes nothing. */
  insert(skipped: SkippedGift): Promise<void>
}

export function createSkippedRepository(kysely: Kysely<unknown>): SkippedRepository {
  const inserts = new Batcher<SkippedGift, undefined>({
    maxSize: 500,
    maxConcurrent: 2,
    isItemError: isContentError,
    run: async skipped => {
      const column = <Key extends keyof SkippedGift>(key: Key) => skipped.map(gift => gift[key])
      await sql`
        insert into campaign_promotion_skipped (topic, partition, "offset", promotion_id, target_id, reason, message)
        select * from unnest(${column('topic')}::text[], ${column('partition')}::int[], ${column('offset')}::bigint[],
          ${column('promotionId')}::bigint[], ${column('targetId')}::bigint[], ${column('reason')}::text[],
          ${column('message')}::text[]) as i (topic, partition, "offset", promotion_id, target_id, reason, message)
        order by topic, partition, "offset", message
        on conflict do nothing`.execute(kysely)
      return skipped.map(() => undefined)
    },
  })
  return { insert: skipped => inserts.add(skipped) }
}
