import {
  type CompiledQuery,
  type DatabaseConnection,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'

export interface AskedStatement {
  sql: string
  parameters: readonly unknown[]
}

/** A statement's rows; an error thrown is the statement's. */
export type Script = (statement: AskedStatement) => readonly unknown[] | Promise<readonly unknown[]>

/** A Kysely without a database, whose statements are answered by `script`, and what it was asked in this order. */
export function scriptedKysely(script: Script) {
  const asked: AskedStatement[] = []
  class Connection implements DatabaseConnection {
    async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
      const statement = { sql: sql.replace(/\s+/g, ' ').trim(), parameters }
      asked.push(statement)
      return { rows: (await script(statement)) as Row[] }
    }

    streamQuery(): AsyncIterableIterator<never> {
      throw new Error('nothing is streamed here')
    }
  }
  class Driver extends DummyDriver {
    override async acquireConnection(): Promise<DatabaseConnection> {
      return new Connection()
    }
  }
  const kysely = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new Driver(),
      createIntrospector: db => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  return { kysely, asked }
}

/** What PostgreSQL refuses with this SQLSTATE. */
export function sqlError(code: string, message = code): Error & { code: string } {
  return Object.assign(new Error(message), { code })
}
