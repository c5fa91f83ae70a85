import { type Kysely, sql } from 'kysely'
import { refusedByPooler } from '#database/pooled-sessions.ts'
import { MIGRATIONS } from '#database/schema/migrations/migrations.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'

const UNDEFINED_TABLE = '42P01'
const MISSING_DATABASE = '3D000'

/** The name of the last migration that this version knows. */
export const SCHEMA_VERSION: string = MIGRATIONS.at(-1)?.name ?? ''

const codeOf = (error: unknown) => (error as { code?: unknown } | null)?.code

/** Rejects with `DATABASE_MISSING`, or `DATABASE_UNREACHABLE`. */
export async function assertDatabaseExists(kysely: Kysely<unknown>): Promise<void> {
  try {
    await sql`select 1`.execute(kysely)
  } catch (cause) {
    if (codeOf(cause) !== MISSING_DATABASE) throw unreachable(cause)
    const todo = 'promostream creates none; correct the name, or create it (createdb --owner)'
    throw new CodedError('DATABASE_MISSING', `${errorLine(cause)} (DATABASE_URL): ${todo}`, { cause })
  }
}

function unreachable(cause: unknown): CodedError {
  const pooled = refusedByPooler(cause)
  if (pooled !== undefined) return pooled
  // A login, or more connections than it has, it refuses in words of its own.
  const verb = /^(28|53)/.test(String(codeOf(cause))) ? 'refuses us' : 'does not answer'
  return new CodedError('DATABASE_UNREACHABLE', `PostgreSQL (DATABASE_URL) ${verb}: ${errorLine(cause)}`, { cause })
}

/** Names of the migrations that have run, in their order. */
export async function executedMigrations(kysely: Kysely<unknown>): Promise<string[]> {
  try {
    const { rows } = await sql<{ name: string }>`select name from mikro_orm_migrations order by name`.execute(kysely)
    return rows.map(({ name }) => name)
  } catch (error) {
    if (codeOf(error) === UNDEFINED_TABLE) return []
    throw error
  }
}

/**
 * May this version run on the database as it is? Rejects with `DATABASE_BEHIND` when migrations have still to run, and
 * with `DATABASE_AHEAD` when a newer version has changed what this one relies on. Only reads.
 */
export async function assertSchema(kysely: Kysely<unknown>): Promise<void> {
  await assertDatabaseExists(kysely)
  const executed = new Set(await executedMigrations(kysely).catch(cause => Promise.reject(unreachable(cause))))
  const pending = MIGRATIONS.filter(({ name }) => !executed.has(name)).length
  const oldest = executed.size === 0 ? undefined : await oldestVersion(kysely)
  if (oldest !== undefined && oldest > SCHEMA_VERSION) {
    throw new CodedError(
      'DATABASE_AHEAD',
      `the database needs a version of promostream that knows ${oldest}; this one knows up to ${SCHEMA_VERSION}`,
    )
  }
  if (pending > 0)
    throw new CodedError('DATABASE_BEHIND', `the database is ${pending} migration(s) behind: run «npm run migrate»`)
}

async function oldestVersion(kysely: Kysely<unknown>): Promise<string | undefined> {
  try {
    const { rows } = await sql<{ version: string }>`
      select oldest_version as version from campaign_promotion_schema`.execute(kysely)
    return rows[0]?.version
  } catch (cause) {
    if (codeOf(cause) === UNDEFINED_TABLE) return undefined
    throw unreachable(cause)
  }
}
