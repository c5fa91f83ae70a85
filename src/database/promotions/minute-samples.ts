import { type Kysely, sql } from 'kysely'

/** Where a promotion stood at the full minute. */
export interface MinuteSample {
  promotionId: string
  done: number
  total: number
  slotsInUse: number
}

/** The first that writes a minute's sample of a promotion counts. */
export async function addMinuteSamples(
  kysely: Kysely<unknown>,
  samples: readonly MinuteSample[],
  minute: Date,
): Promise<void> {
  if (samples.length === 0) return
  const column = <Key extends keyof MinuteSample>(key: Key) => samples.map(sample => sample[key])
  await sql`
    insert into campaign_promotion_minute (promotion_id, minute, done, total, slots_in_use)
    select promotion_id, ${minute.toISOString()}::timestamptz, done, total, slots_in_use
    from unnest(${column('promotionId')}::bigint[], ${column('done')}::bigint[], ${column('total')}::bigint[],
      ${column('slotsInUse')}::int[]) as i (promotion_id, done, total, slots_in_use)
    on conflict do nothing`.execute(kysely)
}

/** What bounds the table: of what is older than a day each tenth minute stays, than 30 days each hour, than a year nothing. */
export async function thinMinuteSamples(kysely: Kysely<unknown>): Promise<void> {
  await sql`
    delete from campaign_promotion_minute
    where minute < now() - interval '1 year'
      or (minute < now() - interval '30 days' and extract(minute from minute) <> 0)
      or (minute < now() - interval '1 day' and extract(minute from minute)::int % 10 <> 0)`.execute(kysely)
}

export interface MinutePoint {
  /** Seconds since the epoch. */
  at: number
  perSecond: number
  /** Mean time of a gift in a slot, in ms; null while nothing moves. */
  latencyMs: number | null
}

/** So many points a plot can show; of more each n-th sample is taken. */
const MAX_POINTS = 600

/** A promotion's whole life as points of a plot: rates between samples, over all admin processes that there have been. */
export async function readMinutePoints(kysely: Kysely<unknown>, promotionId: string): Promise<MinutePoint[]> {
  const { rows } = await sql<{ at: number; done: number; slotsInUse: number }>`
    select extract(epoch from minute)::float8 as at, done::float8 as done, slots_in_use as "slotsInUse"
    from (select *, row_number() over (order by minute) as place, count(*) over () as samples
      from campaign_promotion_minute where promotion_id = ${promotionId}::bigint) m
    where place % greatest(1, samples / ${MAX_POINTS}::int) = 0 or place = samples
    order by minute`.execute(kysely)
  return rows.slice(1).map(({ at, done, slotsInUse }, index) => {
    const before = rows[index] as (typeof rows)[number]
    const perSecond = Math.max(0, (done - before.done) / (at - before.at))
    const latencyMs = perSecond > 0 && slotsInUse > 0 ? Math.round((slotsInUse / perSecond) * 1000) : null
    return { at, perSecond: Math.round(perSecond * 10) / 10, latencyMs }
  })
}
