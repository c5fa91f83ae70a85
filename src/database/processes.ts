import { type Kysely, sql } from 'kysely'

/** A process that works on this database, as it reported itself. */
export interface ProcessRecord {
  /** `{host}-{pid}-{random}`: new at each start. */
  instance: string
  /** listener, worker or admin. */
  kind: string
  keyPrefix: string
}

/** Which database this is: a copy on another server, or another database of the same one, is another. */
export interface DatabaseIdentity {
  system: string
  name: string
}

export interface ProcessRepository {
  identity(): Promise<DatabaseIdentity>
  report(record: ProcessRecord): Promise<void>
  remove(instance: string): Promise<void>
  /** Who has reported within this time under another prefix, by the database's clock. */
  findOther(keyPrefix: string, withinMs: number): Promise<ProcessRecord | undefined>
}

/** Names of processes that died are forgotten after this. */
const FORGET_AFTER = '1 day'
const INSUFFICIENT_PRIVILEGE = '42501'

export function createProcessRepository(kysely: Kysely<unknown>): ProcessRepository {
  return {
    identity: () => identityOf(kysely),
    report: async ({ instance, kind, keyPrefix }) => {
      await sql`
        insert into promostream_process as p (instance, kind, key_prefix) values (${instance}, ${kind}, ${keyPrefix})
        on conflict (instance) do update set seen_at = now()`.execute(kysely)
    },
    remove: async instance => {
      await sql`
        delete from promostream_process
        where instance = ${instance} or seen_at < now() - ${FORGET_AFTER}::interval`.execute(kysely)
    },
    findOther: async (keyPrefix, withinMs) => {
      const { rows } = await sql<ProcessRecord>`
        select instance, kind, key_prefix as "keyPrefix" from promostream_process
        where key_prefix <> ${keyPrefix} and seen_at > now() - make_interval(secs => ${withinMs / 1000}::float8)
        order by seen_at desc limit 1`.execute(kysely)
      return rows[0]
    },
  }
}

/** A server that hides its own number is told by the database's, which a copy by dump does not share either. */
async function identityOf(kysely: Kysely<unknown>): Promise<DatabaseIdentity> {
  const ask = async (system: ReturnType<typeof sql>) => {
    const { rows } = await sql<DatabaseIdentity>`
      select current_database() as name, ${system}::text as system`.execute(kysely)
    return rows[0] as DatabaseIdentity
  }
  try {
    return await ask(sql`(select system_identifier from pg_control_system())`)
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error
    return await ask(sql`(select oid from pg_database where datname = current_database())`)
  }
}
