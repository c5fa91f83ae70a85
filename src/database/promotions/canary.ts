import { type Kysely, sql } from 'kysely'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { promotionLock } from '#database/locks.ts'
import type { PromotionType } from '#queues/gift-types.ts'

/** `passed`: all gifts may be paid. `mine`: this one may, as one of the first. `wait`: others are to be confirmed before. */
export type CanaryTurn = 'passed' | 'mine' | 'wait'

export interface CanaryRepository {
  /** May this gift be paid now, as far as it has been decided? */
  lookUp(gift: CanaryGift): Promise<CanaryTurn>
  /**
   * Its turn, if one is free: at most `atOnce` of the first `gifts` are unconfirmed at any time, over all instances. Keeps
   * inserts of the promotion waiting meanwhile.
   */
  take(gift: CanaryGift, limits: CanaryLimits): Promise<boolean>
  /** It was paid as it should be, or refused. */
  confirm(gift: CanaryGift): Promise<void>
  /** What was paid is not what its row says. Its turn is over: a resumed promotion has another gift confirmed for it. */
  mismatch(gift: CanaryGift): Promise<void>
}

export interface CanaryGift {
  type: PromotionType
  promotionId: string
  targetId: string
}

export interface CanaryLimits {
  gifts: number
  atOnce: number
}

export function createCanaryRepository(kysely: Kysely<unknown>): CanaryRepository {
  return {
    lookUp: gift => lookUp(kysely, gift),
    async take(gift, limits) {
      const isTaken = await takeTurn(kysely, gift, limits)
      if (!isTaken) await confirmSettled(kysely, gift)
      return isTaken
    },
    confirm: gift => settle(kysely, gift, 'confirmed'),
    mismatch: gift => settle(kysely, gift, 'mismatch'),
  }
}

async function lookUp(kysely: Kysely<unknown>, { promotionId, targetId }: CanaryGift): Promise<CanaryTurn> {
  const { rows } = await sql<{ hasPassed: boolean; isTaken: boolean }>`
    select p.canary_gifts is not null and p.canary_confirmed >= p.canary_gifts as "hasPassed",
      c.state in ('pending', 'confirmed') as "isTaken"
    from campaign_promotion p left join campaign_promotion_canary c
      on c.promotion_id = p.id and c.target_id = ${targetId}::bigint
    where p.id = ${promotionId}::bigint`.execute(kysely)
  if (rows[0]?.hasPassed === true) return 'passed'
  return rows[0]?.isTaken === true ? 'mine' : 'wait'
}

/** Alone of all instances: one gets the last turn, and none does once the promotion is paused. */
function takeTurn(kysely: Kysely<unknown>, gift: CanaryGift, limits: CanaryLimits): Promise<boolean> {
  const { promotionId, targetId } = gift
  return locked(kysely, promotionId, async transaction => {
    const { rows } = await sql`
      with p as (
        update campaign_promotion set canary_gifts = coalesce(canary_gifts, ${limits.gifts}::int)
        where id = ${promotionId}::bigint and status in ('IN_PROGRESS', 'COMPLETED') returning id, canary_gifts
      ), turns as (
        select count(*) filter (where state <> 'mismatch') as taken, count(*) filter (where state = 'pending') as pending
        from campaign_promotion_canary where promotion_id = ${promotionId}::bigint
      )
      insert into campaign_promotion_canary as c (promotion_id, target_id)
      select p.id, ${targetId}::bigint from p, turns where taken < canary_gifts and pending < ${limits.atOnce}::int
      on conflict (promotion_id, target_id) do update set state = 'pending' where c.state = 'mismatch'
      returning target_id`.execute(transaction)
    return rows.length > 0
  })
}

function settle(kysely: Kysely<unknown>, gift: CanaryGift, state: 'confirmed' | 'mismatch'): Promise<void> {
  const { promotionId, targetId } = gift
  return locked(kysely, promotionId, async transaction => {
    await sql`update campaign_promotion_canary set state = ${state}
      where promotion_id = ${promotionId}::bigint and target_id = ${targetId}::bigint and state = 'pending'`.execute(
      transaction,
    )
    await count(transaction, promotionId)
  })
}

/** What was found out otherwise (by the rounds that check UNKNOWN gifts, or by a person) is confirmed too. */
async function confirmSettled(kysely: Kysely<unknown>, { type, promotionId }: CanaryGift): Promise<void> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql`
    update campaign_promotion_canary c set state = 'confirmed' from ${sql.table(name)} r
    where c.promotion_id = ${promotionId}::bigint and c.state = 'pending'
      and ${sql.ref(`r.${targetColumn}`)} = c.target_id and r.process_status in ('SUCCESS', 'FAILED')
    returning c.target_id`.execute(kysely)
  if (rows.length > 0) await locked(kysely, promotionId, transaction => count(transaction, promotionId))
}

async function count(transaction: Kysely<unknown>, promotionId: string): Promise<void> {
  await sql`update campaign_promotion set canary_confirmed = (select count(*) from campaign_promotion_canary
      where promotion_id = ${promotionId}::bigint and state = 'confirmed')
    where id = ${promotionId}::bigint`.execute(transaction)
}

/** Each statement of `work` sees what those have committed that had the lock before. */
function locked<T>(
  kysely: Kysely<unknown>,
  promotionId: string,
  work: (transaction: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  return kysely.transaction().execute(async transaction => {
    await promotionLock(promotionId).execute(transaction)
    return work(transaction)
  })
}
