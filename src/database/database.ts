import { MikroORM } from '@mikro-orm/postgresql'
import { type Kysely, sql } from 'kysely'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { type Service, service } from '#runtime/service.ts'
import { type DatabaseOptions, ormOptions } from './orm-options.ts'

/** The process's one door to PostgreSQL: MikroORM's pool, spoken to through kysely where rows come in bulk. */
export interface Database extends Service {
  readonly orm: MikroORM
  /** A query builder on the pool, outside any transaction. */
  readonly kysely: Kysely<unknown>
  /** Rejects when PostgreSQL does not answer. */
  ping(): Promise<void>
}

/** Does not connect; `start` does, and refuses a database that is behind its migrations. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const orm = await MikroORM.init(ormOptions(options))
  const kysely = orm.em.fork().getKysely() as unknown as Kysely<unknown>
  const life = service('database', {
    start: () => assertMigrated(orm),
    stop: () => orm.close(true),
  })
  return {
    ...life,
    orm,
    kysely,
    ping: async () => {
      await sql`select 1`.execute(kysely)
    },
  }
}

async function assertMigrated(orm: MikroORM): Promise<void> {
  let pending: number
  try {
    pending = (await orm.migrator.getPending()).length
  } catch (cause) {
    throw new CodedError('DATABASE_UNREACHABLE', `PostgreSQL (DATABASE_URL) does not answer: ${errorLine(cause)}`, {
      cause,
    })
  }
  if (pending > 0) {
    throw new CodedError('DATABASE_BEHIND', `the database is ${pending} migration(s) behind: run «npm run migrate»`)
  }
}

/** Brings the database up; answers the names of what it ran. Safe to run twice at once. */
export async function migrate(options: DatabaseOptions): Promise<string[]> {
  const orm = await MikroORM.init(ormOptions(options))
  try {
    return await orm.em.getConnection().transactional(async transaction => {
      await orm.em.getConnection().execute('select pg_advisory_xact_lock(4242, 1)', [], 'run', transaction)
      return (await orm.migrator.up({ transaction })).map(migration => migration.name)
    })
  } catch (cause) {
    throw new CodedError('MIGRATION_FAILED', `migration failed: ${errorLine(cause)}`, { cause })
  } finally {
    await orm.close(true)
  }
}
