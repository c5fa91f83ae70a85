import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { type Database, openDatabase } from '#database/database.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

describe('a PostgreSQL that falls silent', () => {
  let db: TestDatabase
  let database: Database

  beforeAll(async () => {
    db = await createTestDatabase({ migrated: false })
    database = await openDatabase({ url: db.url, poolMax: 1, timeoutMs: 300 })
  })
  afterAll(async () => {
    await database.orm.close(true)
    await db.drop()
  })

  test('its connection is not used again: the next statement gets another', async () => {
    const pidOf = async () => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(database.kysely)
      return rows[0]?.pid as number
    }
    const silent = await pidOf()
    process.kill(silent, 'SIGSTOP')
    try {
      await expect(database.ping()).rejects.toThrow('Query read timeout')
      expect(await pidOf()).not.toBe(silent)
    } finally {
      process.kill(silent, 'SIGCONT')
    }
  })
})
