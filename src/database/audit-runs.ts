import { type Kysely, sql } from 'kysely'
import { createActivityLog } from './activity-log.ts'

/** What an audit that was recorded found; it stands in the activity log. */
export interface AuditRun {
  /** Where charges were learnt from; `none`: they were not looked at. */
  charges: 'settlement' | 'api' | 'none'
  ok: boolean
  discrepancies: number
  /** Rows that the Money API did not answer for. */
  unanswered: number
}

const WHAT = 'audit.run'

/** @param target the promotions, or `all`. */
export async function recordAuditRun(
  kysely: Kysely<unknown>,
  { who, target, ...run }: AuditRun & { who: string; target: string },
): Promise<void> {
  const log = createActivityLog(kysely)
  await log.end(await log.begin({ who, what: WHAT, target, detail: run }), 'done')
}

/** The last one of each kind that was of all promotions, with its end in s since the epoch. */
export async function lastAuditRuns(kysely: Kysely<unknown>): Promise<(AuditRun & { atSeconds: number })[]> {
  const kinds: AuditRun['charges'][] = ['settlement', 'api', 'none']
  const { rows } = await sql<{ detail: AuditRun; atSeconds: number }>`
    select last.detail, extract(epoch from last.at)::float8 as "atSeconds"
    from unnest(${kinds}::text[]) as kind, lateral (
      select detail, at from admin_audit
      where what = 'audit.run' and target = 'all' and detail->>'charges' = kind and outcome = 'done'
      order by id desc limit 1) last`.execute(kysely)
  return rows.map(({ detail, atSeconds }) => ({ ...detail, atSeconds }))
}
