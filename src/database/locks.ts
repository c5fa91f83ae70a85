import { type Kysely, type RawBuilder, sql } from 'kysely'

/*
 * Every advisory lock that is taken in PostgreSQL, so that no two of them share an id by accident.
 */

/** First of the two numbers of a lock; another program on the same database may use others. */
const NAMESPACE = 4242
const MIGRATION = 1

/** Rounds that one instance at a time does, each under a lock of its own. An id is never used for something else. */
const ROUND_IDS = { completion: 2, sweep: 3, 'check-unknown': 4, balance: 5, seal: 6 } as const

export type LockedRound = keyof typeof ROUND_IDS
/** Those that every installation does. */
export const LOCKED_ROUNDS = (Object.keys(ROUND_IDS) as LockedRound[]).filter(round => round !== 'seal')

/** A session that says nothing for this long while it has a lock is ended by PostgreSQL (from 14 on), in ms. */
const SILENT_MS = 15_000

/**
 * Runs `work` while this process alone has the lock of `round`; false when another has it. The lock is the session's: a
 * process that dies, loses that connection, or stands still for `silentMs`, gives it up.
 */
export function withRoundLock(
  kysely: Kysely<unknown>,
  round: LockedRound,
  work: () => Promise<void>,
  silentMs = SILENT_MS,
): Promise<boolean> {
  const id = ROUND_IDS[round]
  return kysely.connection().execute(async connection => {
    const say = (statement: RawBuilder<unknown>) => statement.execute(connection).catch(() => undefined)
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_lock(${NAMESPACE}::int, ${id}::int) as locked`.execute(connection)
    if (rows[0]?.locked !== true) return false
    const signOfLife = setInterval(() => void say(sql`select 1`), silentMs / 4)
    try {
      await say(sql`select set_config('idle_session_timeout', ${String(silentMs)}, false)`)
      await work()
      return true
    } finally {
      clearInterval(signOfLife)
      await say(sql`select set_config('idle_session_timeout', '0', false)`)
      await say(sql`select pg_advisory_unlock(${NAMESPACE}::int, ${id}::int)`)
    }
  })
}

/**
 * Until the transaction ends; false when another migration has it. Without parameters: the portal of a statement that has
 * some keeps its snapshot until the next one, and an index that is built concurrently waits for every older snapshot.
 */
export function tryMigrationLock(transaction: Kysely<unknown>): Promise<boolean> {
  return tryLock(transaction, sql`${sql.lit(NAMESPACE)}, ${sql.lit(MIGRATION)}`)
}

/** For whoever adds a promotion's missing entries: until the transaction ends; false when another process has it. */
export function tryRefillLock(transaction: Kysely<unknown>, promotionId: string): Promise<boolean> {
  return tryLock(transaction, sql`hashtextextended(${`promostream refill ${promotionId}`}, 0)`)
}

async function tryLock(transaction: Kysely<unknown>, id: RawBuilder<unknown>): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`select pg_try_advisory_xact_lock(${id}) as locked`.execute(
    transaction,
  )
  return rows[0]?.locked === true
}

/*
 * The promotion lock, beside the lock of the promotion's row. Inserts lock the row for share, and PostgreSQL lets one
 * sharer in beside the others however long an UPDATE waits: with several listeners loading gifts, a pause or a completion
 * would never come to it. Advisory locks are granted in the order they are asked for. The row's own lock still is what
 * excludes.
 */

const PROMOTION_PREFIX = 'promostream promotion '

/**
 * For a CTE that is read before rows are locked: the promotion locks of inserts, which share them. In the order of the
 * ids, so that two who ask for several never wait for each other; and only for promotions that there are: locks are few,
 * messages may name any id. `promotionIds` = the expression that has them.
 */
export function sharedPromotionLocks(promotionIds: string): string {
  return `select pg_advisory_xact_lock_shared(hashtextextended('${PROMOTION_PREFIX}' || id, 0))
    from (select id from campaign_promotion where id = any (${promotionIds}::bigint[]) order by id) asked`
}

/** The promotion lock of whoever changes the promotion: alone, until the transaction ends. */
export function promotionLock(promotionId: string): RawBuilder<unknown> {
  return sql`select pg_advisory_xact_lock(hashtextextended(${PROMOTION_PREFIX + promotionId}, 0))`
}
