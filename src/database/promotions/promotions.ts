import { type Kysely, sql } from 'kysely'
import { archivedOf } from '#database/gifts/archived-gifts.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import { RESULT_TABLES } from '#database/gifts/result-table.ts'
import { isoTime } from '#database/iso-time.ts'
import { promotionLock } from '#database/locks.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import type { PromotionStatus } from './promotion-status.ts'

export interface Promotion {
  id: string
  name: string
  type: PromotionType
  status: PromotionStatus
  /** 0 where nobody said. */
  totalCount: number
  /** ISO 8601, UTC. */
  startedAt: string | null
  finishedAt: string | null
  /** Why it was paused, if not by a person; null or missing while it is not PAUSED. */
  pauseReason?: string | null
  /** Slots in each process that an operator has set; null or missing = as many as its total asks for. */
  consumersPerInstance?: number | null
  /** Most gifts, and most of their sum in minor units, that it takes; `0` or missing = no ceiling. Exact digits. */
  maxGiftCount?: string
  maxTotalAmount?: string
  /** Of the first gifts that are confirmed before the others are paid: how many, and how many are; null = there are none. */
  canaryGifts?: number | null
  canaryConfirmed?: number
  /** By when it should be done; ISO 8601. Nothing ends by it: pages tell who is late. */
  deadlineAt?: string | null
  /** Where slots are shared by weight: of two promotions the one with twice the weight gets twice as many. Missing = 1. */
  weight?: number
}

export type ResumedPromotion = Pick<Promotion, 'id' | 'type'> & { resumedForMs: number }

export type NewPromotion = Pick<
  Promotion,
  'id' | 'name' | 'type' | 'totalCount' | 'maxGiftCount' | 'maxTotalAmount' | 'deadlineAt' | 'weight'
>

/** The promotions' rows. `status` changes only by compare-and-set. */
export interface PromotionRepository {
  find(promotionId: string): Promise<Promotion | undefined>
  /** READY; throws `PROMOTION_EXISTS` for an id that is taken. */
  create(promotion: NewPromotion): Promise<void>
  /** Was its row made after this time (in ms since the epoch)? False when there is none. */
  isNewerThan(promotionId: string, timeMs: number): Promise<boolean>
  /**
   * READY → IN_PROGRESS, and fills a total that is null or 0. Returns the row as it is now, changed or not; undefined
   * when there is none.
   */
  start(promotionId: string, totalCount: number): Promise<{ promotion: Promotion; changed: boolean } | undefined>
  /** Slots in each process, or null for as many as its total asks for; false when there is no such promotion. */
  setConsumers(promotionId: string, perInstance: number | null): Promise<boolean>
  /**
   * To another status, by compare-and-set: only from one of `from`. IN_PROGRESS sets `started_at` once and clears
   * `finished_at`, STOPPED sets it. Returns the same as `start`. COMPLETED is not reached by this way.
   */
  move(
    promotionId: string,
    from: readonly PromotionStatus[],
    to: 'IN_PROGRESS' | 'PAUSED' | 'STOPPED',
  ): Promise<{ promotion: Promotion; changed: boolean } | undefined>
  /** Those whose consumers should run, or wait with what they hold. */
  listActive(): Promise<Promotion[]>
  /** Those that run, and were not running until `withinMs` ago at most; for how long they do now, in ms. */
  listResumed(withinMs: number): Promise<ResumedPromotion[]>
  /** Those that ended so within the last `withinMs`, a COMPLETED one once it is announced. */
  listEnded(status: 'STOPPED' | 'COMPLETED', withinMs: number): Promise<Promotion[]>
  /** Dates those that other programs have STOPPED: from now on their entries are looked for, as after our own stop. */
  dateStopped(): Promise<void>
  /** Dates those that other programs have set IN_PROGRESS: they have begun, and have not ended. */
  dateStarted(): Promise<void>
  /** The newest first. */
  list(limit: number): Promise<Promotion[]>
  /** How many gifts stand in each state, archived ones too. Reads every row of the promotion: for people, not for loops. */
  countByStatus(promotion: Pick<Promotion, 'id' | 'type'>): Promise<Record<ProcessStatus, number>>
}

const COLUMNS = sql`id, name, type, status, coalesce(total_count, 0)::float8 as "totalCount",
  ${isoTime('started_at')} as "startedAt", ${isoTime('finished_at')} as "finishedAt",
  consumers_per_instance as "consumersPerInstance", max_gift_count as "maxGiftCount",
  max_total_amount as "maxTotalAmount", canary_gifts as "canaryGifts", canary_confirmed as "canaryConfirmed",
  ${isoTime('deadline_at')} as "deadlineAt", weight, case when status = 'PAUSED' then pause_reason end as "pauseReason"`

export function createPromotionRepository(kysely: Kysely<unknown>): PromotionRepository {
  const select = async (where: ReturnType<typeof sql>, order = sql`id`, limit = 10_000) => {
    const { rows } = await sql<Promotion>`
      select ${COLUMNS} from campaign_promotion where ${where} order by ${order} limit ${limit}`.execute(kysely)
    return rows
  }
  const find = async (promotionId: string) => (await select(sql`id = ${promotionId}::bigint`))[0]
  return {
    find,
    create: promotion => createPromotion(kysely, promotion),
    isNewerThan: (promotionId, timeMs) => isNewerThan(kysely, promotionId, timeMs),
    start: async (promotionId, totalCount) => {
      const { rows } = await sql<Promotion>`
        with lock as materialized (${promotionLock(promotionId)})
        update campaign_promotion set status = 'IN_PROGRESS', started_at = coalesce(started_at, now()),
          total_count = case when coalesce(total_count, 0) = 0 then ${totalCount}::bigint else total_count end
        where (select count(*) from lock) > 0 and id = ${promotionId}::bigint and status = 'READY'
        returning ${COLUMNS}`.execute(kysely)
      const [started] = rows
      if (started !== undefined) return { promotion: started, changed: true }
      await fillTotal(kysely, promotionId, totalCount)
      const promotion = await find(promotionId)
      return promotion === undefined ? undefined : { promotion, changed: false }
    },
    move: async (promotionId, from, to) => {
      const { rows } = await sql<Promotion>`
        with lock as materialized (${promotionLock(promotionId)})
        update campaign_promotion set status = ${to},
          started_at = case when ${to} = 'IN_PROGRESS' then coalesce(started_at, now()) else started_at end,
          finished_at = case ${to} when 'STOPPED' then now() when 'IN_PROGRESS' then null else finished_at end
        where (select count(*) from lock) > 0 and id = ${promotionId}::bigint and status = any (${[...from]}::text[])
        returning ${COLUMNS}`.execute(kysely)
      const promotion = rows[0] ?? (await find(promotionId))
      return promotion === undefined ? undefined : { promotion, changed: rows.length > 0 }
    },
    setConsumers: async (promotionId, perInstance) => {
      const { rows } = await sql`
        with lock as materialized (${promotionLock(promotionId)})
        update campaign_promotion set consumers_per_instance = ${perInstance}::int
        where (select count(*) from lock) > 0 and id = ${promotionId}::bigint returning id`.execute(kysely)
      return rows.length > 0
    },
    listActive: () => select(sql`status in ('IN_PROGRESS', 'PAUSED')`),
    listResumed: withinMs => listResumed(kysely, withinMs),
    listEnded: (status, withinMs) =>
      select(sql`status = ${status} and finished_at > now() - ${withinMs}::float8 * interval '1 millisecond'
        and (status = 'STOPPED' or completed_event_at is not null)`),
    dateStopped: async () => {
      await sql`
        update campaign_promotion set finished_at = now() where status = 'STOPPED' and finished_at is null`.execute(
        kysely,
      )
    },
    dateStarted: () => dateStarted(kysely),
    list: limit => select(sql`true`, sql`created_at desc, id desc`, limit),
    countByStatus: promotion => countByStatus(kysely, promotion),
  }
}

/** Waits for nobody: a row that an insert has at the moment is dated in a later round. */
async function dateStarted(kysely: Kysely<unknown>): Promise<void> {
  await sql`
    update campaign_promotion set started_at = coalesce(started_at, now()), finished_at = null
    where id in (
      select id from campaign_promotion
      where status = 'IN_PROGRESS' and (started_at is null or finished_at is not null)
      order by id for no key update skip locked)`.execute(kysely)
}

async function isNewerThan(kysely: Kysely<unknown>, promotionId: string, timeMs: number): Promise<boolean> {
  const { rows } = await sql`
    select 1 from campaign_promotion
    where id = ${promotionId}::bigint and created_at > to_timestamp(${timeMs / 1000}::float8)`.execute(kysely)
  return rows.length > 0
}

async function listResumed(kysely: Kysely<unknown>, withinMs: number): Promise<ResumedPromotion[]> {
  const { rows } = await sql<ResumedPromotion>`
    select id, type, (extract(epoch from clock_timestamp() - resumed_at) * 1000)::float8 as "resumedForMs"
    from campaign_promotion
    where status = 'IN_PROGRESS' and resumed_at > clock_timestamp() - ${withinMs}::float8 * interval '1 millisecond'
    order by id`.execute(kysely)
  return rows
}

async function createPromotion(kysely: Kysely<unknown>, promotion: NewPromotion): Promise<void> {
  const {
    id,
    name,
    type,
    totalCount,
    maxGiftCount = '0',
    maxTotalAmount = '0',
    deadlineAt = null,
    weight = 1,
  } = promotion
  const { rows } = await sql`
    insert into campaign_promotion (id, name, type, total_count, max_gift_count, max_total_amount, deadline_at, weight)
    values (${id}::bigint, ${name}, ${type}, ${totalCount}::bigint, ${maxGiftCount}::bigint, ${maxTotalAmount}::bigint,
      ${deadlineAt}::timestamptz, ${weight}::int) on conflict (id) do nothing returning id`.execute(kysely)
  if (rows.length === 0) throw new CodedError('PROMOTION_EXISTS', `promotion ${id} exists already`)
}

/** The row's own total wins; the started event fills one that is null or 0. */
async function fillTotal(kysely: Kysely<unknown>, promotionId: string, totalCount: number): Promise<void> {
  if (totalCount === 0) return
  await sql`
    with lock as materialized (${promotionLock(promotionId)})
    update campaign_promotion set total_count = ${totalCount}::bigint
    where (select count(*) from lock) > 0 and id = ${promotionId}::bigint and coalesce(total_count, 0) = 0
      and status in ('IN_PROGRESS', 'PAUSED')`.execute(kysely)
}

async function countByStatus(
  kysely: Kysely<unknown>,
  { id, type }: Pick<Promotion, 'id' | 'type'>,
): Promise<Record<ProcessStatus, number>> {
  const counts: Record<ProcessStatus, number> = { PENDING: 0, RETRYING: 0, SUCCESS: 0, FAILED: 0, UNKNOWN: 0 }
  const { rows } = await sql<{ status: ProcessStatus; count: number }>`
    select process_status as status, count(*)::float8 as count from ${sql.table(RESULT_TABLES[type].name)}
    where promotion_id = ${id}::bigint group by process_status
    union all
    select t.process_status, count(*)::float8 from ${archivedOf(type)} and t.promotion_id = ${id}::bigint
    group by t.process_status`.execute(kysely)
  for (const { status, count } of rows) counts[status] += count
  return counts
}

/** What promotions are called, by id; those without a name, or that do not exist, are missing. */
export async function promotionNames(kysely: Kysely<unknown>, ids: readonly string[]): Promise<Map<string, string>> {
  const known = [...new Set(ids)]
  if (known.length === 0) return new Map()
  const { rows } = await sql<{ id: string; name: string }>`
    select id, name from campaign_promotion where id = any (${known}::bigint[]) and name <> ''`.execute(kysely)
  return new Map(rows.map(({ id, name }) => [id, name]))
}
