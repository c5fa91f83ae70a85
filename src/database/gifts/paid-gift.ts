import { type Kysely, sql } from 'kysely'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { RESULT_TABLES } from './result-table.ts'

/** Promotions that are looked at, and rows of each: a key is at hand, or not worth a search. */
const PROMOTIONS = 5
const ROWS = 500

/** A gift that is SUCCESS, of one of the latest promotions. Reads a few hundred rows. */
export async function findPaidGift(
  kysely: Kysely<unknown>,
): Promise<{ type: PromotionType; targetId: string } | undefined> {
  for (const type of PROMOTION_TYPES) {
    const targetId = await findPaidTarget(kysely, type)
    if (targetId !== undefined) return { type, targetId }
  }
  return undefined
}

/** Has any gift ever been paid, as far as the summaries know? */
export async function hasPaidGifts(kysely: Kysely<unknown>): Promise<boolean> {
  const { rows } = await sql<{ paid: boolean }>`
    select exists (select from campaign_promotion_summary where success_count > 0) as paid`.execute(kysely)
  return rows[0]?.paid !== false
}

async function findPaidTarget(kysely: Kysely<unknown>, type: PromotionType): Promise<string | undefined> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ targetId: string }>`
    select r.target_id as "targetId"
    from (select p.id from campaign_promotion p where p.type = ${type} and exists (
        select 1 from campaign_promotion_summary s where s.promotion_id = p.id and s.success_count > 0)
      order by p.created_at desc limit ${PROMOTIONS}) p
    cross join lateral (select ${sql.ref(targetColumn)} as target_id, process_status from ${sql.table(name)}
      where promotion_id between p.id and p.id order by promotion_id, id limit ${ROWS}) r
    where r.process_status = 'SUCCESS' limit 1`.execute(kysely)
  return rows[0]?.targetId
}
