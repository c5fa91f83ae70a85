import { setTimeout as sleep } from 'node:timers/promises'
import { MikroORM } from '@mikro-orm/postgresql'
import type { Kysely } from 'kysely'
import { createActivityLog } from '#database/activity-log.ts'
import { tryMigrationLock } from '#database/locks.ts'
import { MIGRATIONS } from '#database/schema/migrations/migrations.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { type DatabaseOptions, ormOptions } from './orm-options.ts'
import { assertDatabaseExists, executedMigrations } from './schema-version.ts'

export interface MigrateOptions {
  /** Told while somebody or something is waited for. */
  onWait?(reason: string): void
  /** Who does it: then it leaves a row in the activity log. */
  who?: string
}

/** A lock that is waited for makes gifts wait behind it: not longer than this, then another try. */
const LOCK_TIMEOUT_MS = 1000
const LOCK_PAUSE_MS = 1000
const LOCK_TRIES = 60
const TURN_PAUSE_MS = 500
const LOCK_NOT_AVAILABLE = '55P03'
const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Brings the database up; one that is missing is not made. Statements take as long as they need, a lock is waited for in
 * short tries. A second one that is started meanwhile waits, and finds nothing left to do. May run beside the processes.
 * @returns the names of what it ran.
 */
export function migrate(
  options: DatabaseOptions,
  { onWait = () => undefined, who }: MigrateOptions = {},
): Promise<string[]> {
  return withMigrator(options, onWait, async (orm, kysely) => {
    const before = new Set(await executedMigrations(kysely))
    await withLockTries(onWait, () => orm.migrator.up())
    const ran = (await executedMigrations(kysely)).filter(name => !before.has(name))
    await note(kysely, who, 'migrate', ran)
    return ran
  })
}

/**
 * Takes back every migration after `lastKept`, the newest first: for the version before, with all processes stopped.
 * @returns the names of what it took back.
 */
export function rollBack(
  options: DatabaseOptions,
  lastKept: string,
  { onWait = () => undefined, who }: MigrateOptions = {},
): Promise<string[]> {
  return withMigrator(options, onWait, async (orm, kysely) => {
    const executed = await executedMigrations(kysely)
    if (!executed.includes(lastKept)) throw new CodedError('MIGRATION_UNKNOWN', `no migration ${lastKept} has run here`)
    const undone = executed.slice(executed.indexOf(lastKept) + 1).reverse()
    for (const name of undone) {
      const known = MIGRATIONS.find(migration => migration.name === name)
      if (known === undefined || !Object.hasOwn(known.class.prototype, 'down'))
        throw new CodedError('MIGRATION_FINAL', `${name} cannot be taken back: restore a backup`)
    }
    for (const name of undone) await withLockTries(onWait, () => orm.migrator.down({ migrations: [name] }))
    await note(kysely, who, 'migrate.rollback', undone)
    return undone
  })
}

/** After it, as the table may come with it. */
async function note(kysely: Kysely<unknown>, who: string | undefined, what: string, names: string[]): Promise<void> {
  if (who === undefined || names.length === 0) return
  const log = createActivityLog(kysely)
  await log.end(await log.begin({ who, what, target: 'database', detail: names }), 'done')
}

async function withMigrator<T>(
  options: DatabaseOptions,
  onWait: (reason: string) => void,
  work: (orm: MikroORM, kysely: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  // One connection holds the turn, the other works.
  const orm = await MikroORM.init(ormOptions({ ...options, poolMax: 3, lockTimeoutMs: LOCK_TIMEOUT_MS }))
  const kysely = orm.em.fork().getKysely() as unknown as Kysely<unknown>
  try {
    await assertDatabaseExists(kysely)
    return await inTurn(kysely, onWait, () => work(orm, kysely))
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    const isRefused = (cause as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE
    const todo = isRefused ? ': the user in DATABASE_URL must own the database and its tables' : ''
    throw new CodedError('MIGRATION_FAILED', `migration failed: ${errorLine(cause)}${todo}`, { cause })
  } finally {
    await orm.close(true)
  }
}

/**
 * One at a time. The lock is asked for again and again, not waited for: an index that is built concurrently waits for
 * every statement that runs, and so for one that waits for the builder.
 */
function inTurn<T>(kysely: Kysely<unknown>, onWait: (reason: string) => void, work: () => Promise<T>): Promise<T> {
  return kysely.transaction().execute(async transaction => {
    for (let isWaiting = false; ; isWaiting = true) {
      if (await tryMigrationLock(transaction)) return work()
      if (!isWaiting) onWait('another migration is running')
      await sleep(TURN_PAUSE_MS)
    }
  })
}

async function withLockTries(onWait: (reason: string) => void, work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await work()
      return
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE || tries === LOCK_TRIES) throw error
      if (tries === 1) onWait('a table is locked by a transaction that is open')
    }
    await sleep(LOCK_PAUSE_MS)
  }
}
