import { MikroORM } from '@mikro-orm/postgresql'
import { type Kysely, sql } from 'kysely'
import { type DatabaseOptions, ormOptions } from '#database/schema/orm-options.ts'
import { assertSchema } from '#database/schema/schema-version.ts'
import { type Service, service } from '#runtime/service.ts'
import { assertSessionsLast } from './pooled-sessions.ts'

export { migrate } from '#database/schema/migrate.ts'

/** The process's one door to PostgreSQL: MikroORM's pool, spoken to through kysely where rows come in bulk. */
export interface Database extends Service {
  readonly orm: MikroORM
  /** A query builder on the pool, outside any transaction. */
  readonly kysely: Kysely<unknown>
  /** Rejects when PostgreSQL does not answer. */
  ping(): Promise<void>
}

/**
 * Does not connect; `start` does, and refuses a database that is missing, behind its migrations or ahead of this version,
 * and a pooler whose sessions do not last.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const orm = await MikroORM.init(ormOptions(options))
  const kysely = orm.em.fork().getKysely() as unknown as Kysely<unknown>
  const life = service('database', {
    start: async () => {
      await assertSchema(kysely)
      await assertSessionsLast(options)
    },
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
