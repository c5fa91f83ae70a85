import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { rightsOf } from '#database/rights.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.drop())

test('a role gets rights on every table of the schema: one that is forgotten stops a process at its first use', async () => {
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`.execute(db.database.kysely)
  const granted = rightsOf('x').flatMap(statement => / on (\w+) to /.exec(statement)?.[1] ?? [])
  expect(rows.length).toBeGreaterThan(10)
  expect(granted.filter(name => name !== 'public').sort()).toEqual(rows.map(({ name }) => name).sort())
})
