import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { inRowOrder, ofPromotion } from '#database/promotions/promotion-rows.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { CodedError } from '#runtime/errors.ts'
import { isArchived, KEPT_COLUMNS } from './archived-gifts.ts'
import type { GiftRecord } from './gift.ts'
import { recordColumns } from './gift-pages.ts'
import { RESULT_TABLES } from './result-table.ts'

type Archived = Pick<Promotion, 'id' | 'type'>

/** So many rows in one transaction: a gift that is paid meanwhile waits for none of them. */
const PAGE_SIZE = 2000
const LOCK_TIMEOUT_MS = 1000
const LOCK_TRIES = 60
const LOCK_PAUSE_MS = 500
const LOCK_NOT_AVAILABLE = '55P03'
/** What a process must know to run beside archived gifts. */
const NEEDED_VERSION = '20261213-archived-gifts'

/** All rows of a promotion in their order, page by page. */
export async function* giftRecordPages(
  kysely: Kysely<unknown>,
  { id, type }: Archived,
): AsyncGenerator<readonly GiftRecord[]> {
  for (let afterId = '0'; ; ) {
    const { rows } = await sql<GiftRecord>`
      select ${sql.raw(recordColumns(type))} from ${sql.table(RESULT_TABLES[type].name)} r
      where ${ofPromotion(id, 'r.promotion_id')} and r.id > ${afterId}::bigint
      order by ${inRowOrder('asc', 'r.id', 'r.promotion_id')} limit ${PAGE_SIZE}`.execute(kysely)
    if (rows.length > 0) yield rows
    if (rows.length < PAGE_SIZE) return
    afterId = rows.at(-1)?.id ?? afterId
  }
}

/**
 * Moves the rows of a promotion that has ended away: first each target is noted as archived, then every insert that could
 * not see that has ended, and only then rows go. May be cut short anywhere, and done again.
 * @param onMoved told how many rows went.
 */
export async function moveToArchive(
  kysely: Kysely<unknown>,
  promotion: Archived,
  onMoved: (count: number) => void = () => undefined,
): Promise<void> {
  await sql`update campaign_promotion_schema set oldest_version = ${NEEDED_VERSION}
    where oldest_version < ${NEEDED_VERSION}`.execute(kysely)
  for (let afterId: string | undefined = '0'; afterId !== undefined; ) {
    const isFirst = afterId === '0'
    afterId = await noteTargets(kysely, promotion, afterId)
    // Plans that were made for a table without rows would read all of it for each gift that comes.
    if (isFirst || afterId === undefined) await sql`analyze campaign_promotion_archived_gift`.execute(kysely)
  }
  await waitForInserts(kysely, promotion)
  for (let afterId: string | undefined = '0'; afterId !== undefined; ) {
    const page: DeletedPage = await deleteRows(kysely, promotion, afterId)
    onMoved(page.count)
    afterId = page.lastId
  }
}

interface DeletedPage {
  count: number
  lastId: string | undefined
}

/** @returns the last id of the page; undefined behind the last one. */
async function noteTargets(
  kysely: Kysely<unknown>,
  { id, type }: Archived,
  afterId: string,
): Promise<string | undefined> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ lastId: string | null }>`
    with page as materialized (
      select * from ${sql.table(name)} where ${ofPromotion(id)} and id > ${afterId}::bigint
      order by ${inRowOrder()} limit ${PAGE_SIZE}
    ), noted as (
      insert into campaign_promotion_archived_gift (type, target_id, gift_id, ${sql.raw(KEPT_COLUMNS)})
      select ${type}, ${sql.ref(targetColumn)}, id, ${sql.raw(KEPT_COLUMNS)} from page
      on conflict (type, target_id) do nothing
    )
    select max(id)::text as "lastId" from page`.execute(kysely)
  return rows[0]?.lastId ?? undefined
}

/**
 * An insert that began before the targets were noted does not see them; while its row is there that does no harm. All that
 * run have the table's lock, so that one which excludes them is had when they have ended. Nobody waits for it longer than
 * `LOCK_TIMEOUT_MS`.
 */
async function waitForInserts(kysely: Kysely<unknown>, { type }: Archived): Promise<void> {
  const table = sql.table(RESULT_TABLES[type].name)
  for (let tries = 1; ; tries++) {
    try {
      return await kysely.transaction().execute(async transaction => {
        await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(transaction)
        await sql`lock table ${table} in share row exclusive mode`.execute(transaction)
      })
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw cause
      if (tries === LOCK_TRIES)
        throw new CodedError('ARCHIVE_LOCKED', 'a transaction that writes gifts stays open: no row was removed', {
          cause,
        })
    }
    await sleep(LOCK_PAUSE_MS)
  }
}

/** A page of those that are noted; without a last id there is none any more. */
async function deleteRows(kysely: Kysely<unknown>, { id, type }: Archived, afterId: string): Promise<DeletedPage> {
  const { name, targetColumn } = RESULT_TABLES[type]
  const { rows } = await sql<{ lastId: string | null; count: number }>`
    with page as materialized (
      select id, ${sql.ref(targetColumn)} as target_id from ${sql.table(name)}
      where ${ofPromotion(id)} and id > ${afterId}::bigint order by ${inRowOrder()} limit ${PAGE_SIZE}
    ), gone as (
      delete from ${sql.table(name)} where id = any (
        array(select p.id from page p where ${sql.raw(isArchived(type, 'p.target_id'))}))
      returning id
    )
    select (select max(id) from page)::text as "lastId", (select count(*) from gone)::int as count`.execute(kysely)
  return { count: rows[0]?.count ?? 0, lastId: rows[0]?.lastId ?? undefined }
}
