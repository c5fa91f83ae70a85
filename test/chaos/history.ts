import { type Kysely, sql } from 'kysely'

/** What the trigger saw of rows' ways. */
export interface History {
  /** Rows that left SUCCESS or FAILED. */
  leftFinal: number
  /** Answers that came too late for the process, by its clock. */
  timeOuts: number
}

/** Every change of every row is written down by PostgreSQL itself. */
export async function keepHistory(kysely: Kysely<unknown>): Promise<void> {
  await sql`create unlogged table chaos_history (was text, became text, error_code text)`.execute(kysely)
  await sql`
    create function chaos_note() returns trigger language plpgsql as $$ begin
      insert into chaos_history values (old.process_status, new.process_status, new.error_code); return null;
    end $$`.execute(kysely)
  for (const kind of ['voucher', 'point']) {
    await sql`
      create trigger chaos_history after update on ${sql.table(`campaign_promotion_${kind}_result`)} for each row
      when (old.process_status <> new.process_status or old.attempts <> new.attempts)
      execute function chaos_note()`.execute(kysely)
  }
}

export async function readHistory(kysely: Kysely<unknown>): Promise<History> {
  const { rows } = await sql<History>`
    select (count(*) filter (where was in ('SUCCESS', 'FAILED') and became <> was))::float8 as "leftFinal",
      (count(*) filter (where error_code = 'TIMEOUT'))::float8 as "timeOuts" from chaos_history`.execute(kysely)
  return rows[0] as History
}

/** A bug that is planted: targets may have two rows. */
export async function dropUniqueKeys(kysely: Kysely<unknown>): Promise<void> {
  for (const kind of ['voucher', 'point']) {
    const table = `campaign_promotion_${kind}_result`
    await sql`alter table ${sql.table(table)} drop constraint ${sql.ref(`${table}_${kind}_target_id_key`)}`.execute(
      kysely,
    )
  }
}
