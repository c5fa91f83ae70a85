import { expect, test } from '@jest/globals'
import { MIGRATIONS } from '#database/schema/migrations/migrations.ts'
import {
  assertDatabaseExists,
  assertSchema,
  executedMigrations,
  SCHEMA_VERSION,
} from '#database/schema/schema-version.ts'
import { scriptedKysely, sqlError } from '#test/support/scripted-kysely.ts'

const ALL = MIGRATIONS.map(({ name }) => name)

interface Schema {
  connects?: Error
  /** Of the table of migrations; missing: there is no such table. */
  executed?: string[] | Error
  oldest?: string | Error
}

const orThrow = <T>(value: T | Error): T => {
  if (value instanceof Error) throw value
  return value
}

function databaseOf({ connects, executed = sqlError('42P01'), oldest = sqlError('42P01') }: Schema) {
  return scriptedKysely(({ sql }) => {
    if (connects !== undefined) throw connects
    if (sql.includes('mikro_orm_migrations')) return orThrow(executed).map(name => ({ name }))
    if (sql.includes('campaign_promotion_schema')) return [{ version: orThrow(oldest) }]
    return [{}]
  })
}

test('a database with all migrations of this version may be used, whatever it says of itself, if it is no newer', async () => {
  for (const oldest of [SCHEMA_VERSION, ALL[0] as string, sqlError('42P01')])
    await assertSchema(databaseOf({ executed: ALL, oldest }).kysely)
})

test.each([
  ['one has not run', ALL.slice(0, -1), 1],
  ['one in the middle has not run', ALL.filter((_, at) => at !== 2), 1],
  ['none has run', [], ALL.length],
])('one where %s is behind', async (_name, executed, pending) => {
  await expect(assertSchema(databaseOf({ executed }).kysely)).rejects.toMatchObject({
    code: 'DATABASE_BEHIND',
    message: expect.stringContaining(`${pending} migration(s)`),
  })
})

test('a new one, without the table of migrations, is behind by all of them', async () => {
  const { kysely, asked } = databaseOf({})
  await expect(assertSchema(kysely)).rejects.toMatchObject({ code: 'DATABASE_BEHIND' })
  expect(asked.some(({ sql }) => sql.includes('campaign_promotion_schema'))).toBe(false)
})

test('one that a newer version has changed for good is ahead; newer migrations alone are no reason', async () => {
  const executed = [...ALL, 'Migration29991231_later']
  await assertSchema(databaseOf({ executed, oldest: SCHEMA_VERSION }).kysely)
  const ahead = assertSchema(databaseOf({ executed, oldest: 'Migration29991231_later' }).kysely)
  await expect(ahead).rejects.toMatchObject({ code: 'DATABASE_AHEAD' })
})

test('a database that is missing is told as such, with its name', async () => {
  const connects = sqlError('3D000', 'database "gifts" does not exist')
  const exists = assertDatabaseExists(databaseOf({ connects }).kysely)
  await expect(exists).rejects.toMatchObject({ code: 'DATABASE_MISSING', message: expect.stringContaining('"gifts"') })
})

test.each([
  ['28P01', 'refuses us'],
  ['53300', 'refuses us'],
  ['ECONNREFUSED', 'does not answer'],
  ['57P03', 'does not answer'],
])('one that fails with %s %s', async (code, verb) => {
  const exists = assertDatabaseExists(databaseOf({ connects: sqlError(code) }).kysely)
  await expect(exists).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    message: expect.stringContaining(`(DATABASE_URL) ${verb}`),
  })
})

test('a pooler that refuses our parameters is told as such', async () => {
  const connects = sqlError('08P01', 'unsupported startup parameter: statement_timeout')
  await expect(assertDatabaseExists(databaseOf({ connects }).kysely)).rejects.toMatchObject({ code: 'DATABASE_POOLED' })
})

test.each<[string, Schema]>([
  ['migrations', { executed: sqlError('ECONNRESET') }],
  ['oldest version', { executed: ALL, oldest: sqlError('ECONNRESET') }],
])('a server that goes away while the %s is asked for does not answer', async (_name, schema) => {
  await expect(assertSchema(databaseOf(schema).kysely)).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' })
})

test('what has run is told in its order; an error other than a missing table is told as it is', async () => {
  expect(await executedMigrations(databaseOf({ executed: ALL }).kysely)).toEqual(ALL)
  expect(await executedMigrations(databaseOf({}).kysely)).toEqual([])
  const failing = executedMigrations(databaseOf({ executed: sqlError('42501') }).kysely)
  await expect(failing).rejects.toMatchObject({ code: '42501' })
})
