import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'

/** A database that answers each statement with what `answer` makes of its text and its values; nothing is kept. */
export function fakeDatabase(
  answer: (statement: string, values: readonly unknown[]) => readonly object[] | Promise<readonly object[]>,
): Kysely<unknown> {
  const driver = new DummyDriver()
  const executeQuery = async ({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) => ({
    rows: [...(await answer(sql, parameters))] as never[],
  })
  const nothingStreamed = async function* () {}
  driver.acquireConnection = async () => ({ executeQuery, streamQuery: nothingStreamed }) as never
  return new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: database => new PostgresIntrospector(database),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}
