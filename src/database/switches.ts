import { type Kysely, sql } from 'kysely'

/**
 * Is every POST to be preceded by the GET? A part of the query that reads a gift before it is paid: so every process
 * follows the switch with its next gift, on each path.
 */
export const IS_ASK_FIRST = `exists (select from campaign_promotion_switch where name = 'ask-first' and is_on)`

export interface AskFirst {
  isOn: boolean
  /** ISO 8601, UTC; null when it was never switched. */
  since: string | null
}

export async function readAskFirst(kysely: Kysely<unknown>): Promise<AskFirst> {
  const { rows } = await sql<AskFirst>`
    select is_on as "isOn", to_char(changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since
    from campaign_promotion_switch where name = 'ask-first'`.execute(kysely)
  return rows[0] ?? { isOn: false, since: null }
}

/** Resolves after the commit, with whether it was this call that changed it. */
export async function setAskFirst(kysely: Kysely<unknown>, isOn: boolean): Promise<boolean> {
  const { rows } = await sql`
    insert into campaign_promotion_switch as s (name, is_on) values ('ask-first', ${isOn})
    on conflict (name) do update set is_on = excluded.is_on, changed_at = now() where s.is_on <> excluded.is_on
    returning name`.execute(kysely)
  return rows.length > 0
}
