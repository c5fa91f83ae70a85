import { type Kysely, sql } from 'kysely'
import { isoTime } from '#database/iso-time.ts'

/** A message that a promotion did not take, and where in Kafka it stood. `at` is ISO 8601, UTC. */
export interface SkippedRecord {
  topic: string
  partition: number
  offset: string
  targetId: string
  reason: string
  message: string
  at: string
}

export type MessagePlace = Pick<SkippedRecord, 'topic' | 'partition' | 'offset'>

const COLUMNS = sql`topic, partition, "offset"::text as "offset", target_id as "targetId", reason, message,
  ${isoTime('created_at')} as at`

/** The newest first, `limit` from behind `offset` of them. */
export async function listSkipped(
  kysely: Kysely<unknown>,
  promotionId: string,
  { offset, limit }: { offset: number; limit: number },
): Promise<SkippedRecord[]> {
  const { rows } = await sql<SkippedRecord>`
    select ${COLUMNS} from campaign_promotion_skipped where promotion_id = ${promotionId}::bigint
    order by created_at desc, topic, partition, "offset" desc limit ${limit} offset ${offset}`.execute(kysely)
  return rows
}

/** Those of a promotion that stood at one of these places. */
export async function findSkipped(
  kysely: Kysely<unknown>,
  promotionId: string,
  places: readonly MessagePlace[],
): Promise<SkippedRecord[]> {
  const column = <Key extends keyof MessagePlace>(key: Key) => places.map(place => place[key])
  const { rows } = await sql<SkippedRecord>`
    select ${COLUMNS} from campaign_promotion_skipped where promotion_id = ${promotionId}::bigint
      and (topic, partition, "offset") in (select * from unnest(${column('topic')}::text[],
        ${column('partition')}::int[], ${column('offset')}::bigint[]))
    order by topic, partition, "offset"`.execute(kysely)
  return rows
}
