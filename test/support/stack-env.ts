import { sql } from 'kysely'
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

/** A migrated database of its own. */
export async function createTestDatabase(
  options: { migrated?: boolean; timeoutMs?: number; serverUrl?: string } = {},
): Promise<TestDatabase> {
  const DATABASE_URL = options.serverUrl ?? stackEnv().DATABASE_URL
  const name = uniqueName('test')
  const root = await openDatabase({ url: DATABASE_URL!, poolMax: 1, timeoutMs: 10_000 })
  await sql`create database ${sql.id(name)}`.execute(root.kysely)
  const url = new URL(DATABASE_URL!)
  url.pathname = `/${name}`
  const databaseOptions = { url: url.href, poolMax: 5, timeoutMs: options.timeoutMs ?? 5000 }
  if (options.migrated !== false) await migrate(databaseOptions)
  const database = await openDatabase(databaseOptions)
  return {
    url: url.href,
    database,
    drop: async () => {
      await database.orm.close(true)
      await sql`drop database ${sql.id(name)} with (force)`.execute(root.kysely)
      await root.orm.close(true)
    },
  }
}
