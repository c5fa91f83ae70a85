import { type Kysely, sql } from 'kysely'
import type { PromotionType } from '#queues/gift-types.ts'

/** A seal as it is kept; `chunkRoots` are 32 bytes each, one for each of `chunkLastIds`. */
export interface StoredSeal {
  promotionId: string
  sequence: number
  root: Buffer
  success: string
  failed: string
  statement: string
  signature: Buffer
  publicKey: Buffer
  chunkRoots: Buffer
  chunkLastIds: string[]
}

/**
 * COMPLETED promotions without a seal, the oldest first; then those where gifts were settled since the last one. By the gifts
 * that are still open, not by summaries, which promotions may share.
 */
export async function listToSeal(
  kysely: Kysely<unknown>,
  limit: number,
): Promise<{ id: string; type: PromotionType }[]> {
  const { rows } = await sql<{ id: string; type: PromotionType }>`
    select p.id, p.type from campaign_promotion p
      left join lateral (
        select gift_count, gift_count - success_count - failed_count as open from campaign_promotion_seal
        where promotion_id = p.id order by sequence desc limit 1
      ) s on true
    where p.status = 'COMPLETED' and (s.gift_count is null or (s.open > 0 and s.open <> (
      select count(*) from campaign_promotion_exception e
      where e.promotion_id = p.id and e.process_status in ('UNKNOWN', 'RETRYING'))))
    order by s.gift_count is not null, p.finished_at limit ${limit}`.execute(kysely)
  return rows
}

/** False when another instance has made this seal meanwhile. */
export async function saveSeal(
  kysely: Kysely<unknown>,
  { gifts, ...seal }: StoredSeal & { gifts: string },
): Promise<boolean> {
  const { rows } = await sql`
    insert into campaign_promotion_seal (promotion_id, sequence, root, gift_count, success_count, failed_count,
      statement, signature, public_key, chunk_roots, chunk_last_ids)
    values (${seal.promotionId}::bigint, ${seal.sequence}::int, ${seal.root}, ${gifts}::bigint,
      ${seal.success}::bigint, ${seal.failed}::bigint, ${seal.statement}, ${seal.signature}, ${seal.publicKey},
      ${seal.chunkRoots}, ${seal.chunkLastIds}::bigint[])
    on conflict do nothing returning sequence`.execute(kysely)
  return rows.length > 0
}

/** The last seal of a promotion. */
export async function findSeal(kysely: Kysely<unknown>, promotionId: string): Promise<StoredSeal | undefined> {
  const { rows } = await sql<StoredSeal>`
    select promotion_id as "promotionId", sequence, root, success_count as success, failed_count as failed, statement,
      signature, public_key as "publicKey", chunk_roots as "chunkRoots", chunk_last_ids::text[] as "chunkLastIds"
    from campaign_promotion_seal where promotion_id = ${promotionId}::bigint
    order by sequence desc limit 1`.execute(kysely)
  return rows[0]
}
