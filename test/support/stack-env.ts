import { type Kysely, sql } from 'kysely'
import { type Database, migrate, openDatabase } from '#database/database.ts'

/** What the run's embedded stack is reached by; the Jest project's globalSetup started it. */
export function stackEnv(): Record<string, string> {
  const text = process.env.PROMOSTREAM_TEST_ENV
  if (text === undefined) throw new Error('this test belongs to a Jest project that starts the embedded stack')
  return JSON.parse(text) as Record<string, string>
}

/** Why there is no real Kafka, or undefined. */
export const kafkaMissing = process.env.PROMOSTREAM_TEST_KAFKA_MISSING

let counter = 0

/** A name that no other test file of this run, and no earlier run, has used. */
export function uniqueName(prefix: string): string {
  counter += 1
  return `${prefix}_${process.pid}_${Date.now().toString(36)}_${counter}`
}

const EPOCH_MS = 1_790_000_000_000

/** An id of its own, with room for 10,000 targets behind it below 2^63: two files never meet, on shared servers too. */
export function uniqueId(): bigint {
  counter += 1
  return BigInt(Date.now() - EPOCH_MS) * 10_000n + BigInt((process.pid % 100) * 100 + (counter % 100))
}

export interface TestDatabase {
  url: string
  database: Database
  drop(): Promise<void>
}

/**
 * The run's own PostgreSQL waits for no disk: creating and dropping a database takes a tenth of the time. What is committed
 * still outlives a kill of the server, though not of the machine.
 */
export async function forgetInCrashes(): Promise<void> {
  await asRoot(stackEnv().DATABASE_URL!, async root => {
    await sql`alter system set fsync = off`.execute(root)
    await sql`select pg_reload_conf()`.execute(root)
  })
}

/** A database that is migrated once a run: those of the tests are copies of it. Nobody may stay connected to it. */
export async function createTemplate(): Promise<string> {
  const name = uniqueName('template')
  await asRoot(stackEnv().DATABASE_URL!, root => sql`create database ${sql.id(name)}`.execute(root))
  await migrate({ url: urlOf(stackEnv().DATABASE_URL!, name), poolMax: 5, timeoutMs: 10_000 })
  return name
}

/** A migrated database of its own. */
export async function createTestDatabase(
  options: { migrated?: boolean; timeoutMs?: number; serverUrl?: string } = {},
): Promise<TestDatabase> {
  const { migrated = true, timeoutMs = 5000, serverUrl = stackEnv().DATABASE_URL! } = options
  const template = options.serverUrl === undefined ? process.env.PROMOSTREAM_TEST_TEMPLATE : undefined
  const name = uniqueName('test')
  const copied = migrated && template !== undefined ? sql`template ${sql.id(template)}` : sql``
  await asRoot(serverUrl, root => sql`create database ${sql.id(name)} ${copied}`.execute(root))
  const databaseOptions = { url: urlOf(serverUrl, name), poolMax: 5, timeoutMs }
  if (migrated && template === undefined) await migrate(databaseOptions)
  const database = await openDatabase(databaseOptions)
  return {
    url: databaseOptions.url,
    database,
    drop: async () => {
      await database.orm.close(true)
      await dropDatabase(name, serverUrl)
    },
  }
}

export async function dropDatabase(name: string, serverUrl = stackEnv().DATABASE_URL!): Promise<void> {
  await asRoot(serverUrl, root => sql`drop database ${sql.id(name)} with (force)`.execute(root))
}

function urlOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

async function asRoot(serverUrl: string, work: (root: Kysely<unknown>) => Promise<unknown>): Promise<void> {
  const root = await openDatabase({ url: serverUrl, poolMax: 1, timeoutMs: 10_000 })
  try {
    await work(root.kysely)
  } finally {
    await root.orm.close(true)
  }
}
