import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Database, openDatabase } from '#database/database.ts'
import { findPgBouncer, startPgBouncer } from '#test/support/pgbouncer.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

const IGNORING =
  'ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout,lock_timeout,extra_float_digits'

const program = await findPgBouncer()
if (program === undefined) process.stderr.write('!!! There is no PgBouncer to be had: its tests are SKIPPED.\n')
const withPgBouncer = program === undefined ? describe.skip : describe

withPgBouncer('a DATABASE_URL that leads to PgBouncer', () => {
  let db: TestDatabase

  beforeAll(async () => {
    db = await createTestDatabase()
  })
  afterAll(() => db.drop())

  /** What a start through it comes to: nothing, or the error. */
  async function start(settings: readonly string[]): Promise<Error | undefined> {
    const bouncer = await startPgBouncer(program as NonNullable<typeof program>, db.url, settings)
    let database: Database | undefined
    try {
      database = await openDatabase({ url: bouncer.url, poolMax: 4, timeoutMs: 5000 })
      await database.start()
      await database.ping()
      return undefined
    } catch (error) {
      return error as Error
    } finally {
      await database?.orm.close(true)
      await bouncer.stop()
    }
  }

  test.each([
    ['transaction pooling, as it comes', ['pool_mode = transaction'], /refuses the parameter \w+: connect to Postgre/],
    ['transaction pooling', ['pool_mode = transaction', IGNORING], /gives each transaction another session of Postgre/],
    ['statement pooling', ['pool_mode = statement', IGNORING], /gives each statement another session of PostgreSQL: /],
  ])('%s: refused in one line that says what to do', async (_, settings, message) => {
    const error = await start(settings)
    expect(error?.message).toMatch(/^DATABASE_URL leads to a pooler \(PgBouncer\?\) that /)
    expect(error?.message).toMatch(message)
    expect(error?.message).not.toContain('\n')
  })

  test('session pooling: works', async () => {
    expect(await start(['pool_mode = session', IGNORING])).toBeUndefined()
  })
})
