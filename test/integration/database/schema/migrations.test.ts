import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import { MikroORM } from '@mikro-orm/postgresql'
import { type Kysely, sql } from 'kysely'
import { openDatabase } from '#database/database.ts'
import { tryMigrationLock } from '#database/locks.ts'
import { readProgress } from '#database/promotions/progress.ts'
import { migrate, rollBack } from '#database/schema/migrate.ts'
import { MIGRATIONS } from '#database/schema/migrations/migrations.ts'
import { ormOptions } from '#database/schema/orm-options.ts'
import { SCHEMA_VERSION } from '#database/schema/schema-version.ts'
import { until } from '#test/support/redis.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { createTestDatabase, type TestDatabase, uniqueName } from '#test/support/stack-env.ts'

const ROWS = Number(process.env.MIGRATION_ROWS ?? 300_000)

let db: TestDatabase | undefined
afterEach(async () => {
  await db?.drop()
  db = undefined
})

const optionsOf = ({ url }: TestDatabase) => ({ url, poolMax: 5, timeoutMs: 5000 })

/** A database as an older version left it. */
async function migratedTo(name: string): Promise<TestDatabase> {
  db = await createTestDatabase({ migrated: false })
  const orm = await MikroORM.init(ormOptions(optionsOf(db)))
  await orm.migrator.up({ to: name })
  await orm.close(true)
  return db
}

const insertGifts = (kysely: Kysely<unknown>, from: number, to: number) =>
  sql`
  insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id, partition_key,
    member_id, amount, message, process_status)
  select 1, 1, n, 'k', 1, 1, '{}', case n % 100 when 0 then 'UNKNOWN' when 1 then 'RETRYING' else 'PENDING' end
  from generate_series(${from}::bigint, ${to}::bigint) n`.execute(kysely)

/** Looks, until it is stopped, whether whoever reads all rows holds a lock that inserts and updates wait for. */
function scanWatcher(kysely: Kysely<unknown>) {
  let isStopping = false
  // The locks are read after the statement: one that has ended since did not hold what its successor took.
  const isStillAt = async (pid: number, since: string) => {
    const { rows } = await sql`select from pg_stat_activity
      where pid = ${pid} and state = 'active' and query_start = ${since}::timestamptz`.execute(kysely)
    return rows.length > 0
  }
  const look = async () => {
    const seen = { scans: 0, strong: 0 }
    while (!isStopping) {
      const { rows } = await sql<{ pid: number; since: string; strong: boolean }>`
        select a.pid, a.query_start::text as since, exists (select from pg_locks l where l.pid = a.pid and l.granted
          and l.relation in ('campaign_promotion_voucher_result'::regclass, 'campaign_promotion_point_result'::regclass)
          and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) as strong
        from pg_stat_activity a where a.datname = current_database() and a.state = 'active' and a.pid <> pg_backend_pid()
          and a.query ~ 'insert into campaign_promotion_(tally|exception)[^;]* select'
          and a.query ~ 'from campaign_promotion_voucher_result' and a.query !~ 'create '
        `.execute(kysely)
      seen.scans += rows.length
      for (const { pid, since, strong } of rows) if (strong && (await isStillAt(pid, since))) seen.strong += 1
      await sleep(5)
    }
    return seen
  }
  const done = look()
  return {
    stop: () => {
      isStopping = true
      return done
    },
  }
}

/** Inserts and moves gifts until it is stopped; returns how long the slowest statement took, and how many there were. */
function busyListener(kysely: Kysely<unknown>) {
  let isStopping = false
  let slowestMs = 0
  const measured = async (work: () => Promise<unknown>) => {
    const from = performance.now()
    // As the processes do: a statement that PostgreSQL gives up for a deadlock is made again.
    await work().catch(error => {
      if ((error as { code?: string }).code !== '40P01') throw error
      return work()
    })
    slowestMs = Math.max(slowestMs, performance.now() - from)
  }
  const run = async () => {
    let made = 0
    while (!isStopping) {
      await measured(() => insertGifts(kysely, ROWS + made + 1, ROWS + made + 100))
      made += 100
      await measured(() =>
        sql`update campaign_promotion_voucher_result set process_status = 'SUCCESS'
          where voucher_target_id between ${made * 10}::bigint and ${made * 10 + 200}::bigint
            and process_status in ('UNKNOWN', 'RETRYING')`.execute(kysely),
      )
    }
    return made
  }
  const done = run()
  return {
    stop: async () => {
      isStopping = true
      return { made: await done, slowestMs }
    },
  }
}

slowTest(
  'migrations of a full database keep no gift waiting, and the counts are right in the end',
  async () => {
    const { database } = await migratedTo('20261121-create-tables')
    const { kysely } = database
    await sql`insert into campaign_promotion (id, type, status) values (1, 'VOUCHER', 'IN_PROGRESS')`.execute(kysely)
    for (let from = 0; from < ROWS; from += 50_000) await insertGifts(kysely, from + 1, from + 50_000)
    await sql`
    insert into campaign_promotion_skipped (topic, partition, "offset", promotion_id, target_id, reason, message)
    select 't', n % 3, n, 1, n, 'promotion-stopped', 'message ' || n from generate_series(1, 12000) n`.execute(kysely)
    const listener = busyListener(kysely)
    const watcher = scanWatcher(kysely)
    const ran = await migrate(optionsOf(db!))
    const { scans, strong } = await watcher.stop()
    const { made, slowestMs } = await listener.stop()
    expect(ran).toEqual(MIGRATIONS.slice(1).map(({ name }) => name))
    if (process.env.MIGRATION_ROWS !== undefined) process.stderr.write(`slowest statement beside it: ${slowestMs} ms\n`)
    expect(scans).toBeGreaterThan(0)
    expect(strong).toBe(0)
    const [progress] = await readProgress(kysely, { id: '1' })
    const { rows: counted } = await sql<{ status: string; count: number }>`
    select process_status as status, count(*)::float8 as count from campaign_promotion_voucher_result
    group by process_status`.execute(kysely)
    const count = Object.fromEntries(counted.map(({ status, count: each }) => [status, each]))
    expect(progress!.rows).toBe(ROWS + made)
    expect(progress!.gifts).toMatchObject({ UNKNOWN: count.UNKNOWN, RETRYING: count.RETRYING })
    const { rows: hashes } = await sql<{ wrong: number }>`
    select (count(*) filter (where content_hash <> encode(sha256(convert_to(message, 'UTF8')), 'hex')))::float8 as wrong
    from campaign_promotion_skipped`.execute(kysely)
    expect(hashes[0]!.wrong).toBe(0)
  },
  120_000,
)

slowTest(
  'a lock that somebody holds is waited for in short tries, and the migration goes on by itself',
  async () => {
    const { database } = await migratedTo('20261125-removed-gifts')
    const waits: string[] = []
    let migrated: Promise<string[]> | undefined
    await database.kysely.transaction().execute(async forgotten => {
      await sql`select 1 from campaign_promotion_voucher_result`.execute(forgotten)
      const waiting = new Promise<void>(resolve => {
        migrated = migrate(optionsOf(db!), {
          onWait: reason => {
            waits.push(reason)
            resolve()
          },
        })
      })
      await waiting
      // Others are not kept from their work behind it.
      await insertGifts(database.kysely, 1, 10)
    })
    await expect(migrated).resolves.toContain(SCHEMA_VERSION)
    expect(waits).toEqual(['a table is locked by a transaction that is open'])
  },
  300_000,
)

test('one that runs already is waited for, which is told once', async () => {
  const { database } = await migratedTo('20261125-removed-gifts')
  const waits: string[] = []
  let migrated: Promise<string[]> | undefined
  await database.kysely.transaction().execute(async other => {
    expect(await tryMigrationLock(other)).toBe(true)
    migrated = migrate(optionsOf(db!), { onWait: reason => void waits.push(reason) })
    await until('it waits', () => waits.length > 0)
    await sleep(1500)
  })
  await expect(migrated).resolves.toContain(SCHEMA_VERSION)
  expect(waits).toEqual(['another migration is running'])
}, 120_000)

test('of several at once each ends well, and one of them has done the work', async () => {
  db = await createTestDatabase({ migrated: false })
  const codes = await Promise.all(
    Array.from(
      { length: 3 },
      () =>
        new Promise<[number | null, string]>(resolve => {
          const child = spawn(process.execPath, ['src/bin/migrate.ts'], {
            env: { ...process.env, DATABASE_URL: db!.url },
            stdio: ['ignore', 'pipe', 'ignore'],
          })
          let text = ''
          child.stdout.on('data', chunk => {
            text += chunk
          })
          child.on('close', code => resolve([code, text]))
        }),
    ),
  )
  expect(codes.map(([code]) => code)).toEqual([0, 0, 0])
  expect(codes.filter(([, text]) => text.startsWith('ran '))).toHaveLength(1)
  const { rows } = await sql`select what, outcome from admin_audit`.execute(db.database.kysely)
  expect(rows).toEqual([{ what: 'migrate', outcome: 'done' }])
}, 300_000)

test('a login that PostgreSQL refuses is told as refused, not as a server that does not answer', async () => {
  db = await createTestDatabase({ migrated: false })
  const url = new URL(db.url)
  url.username = uniqueName('nobody')
  await expect(migrate({ url: url.href, poolMax: 2, timeoutMs: 5000 })).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    message: expect.stringMatching(/^PostgreSQL \(DATABASE_URL\) refuses us: .*nobody/),
  })
})

test('a database that does not exist is not made: by no command', async () => {
  db = await createTestDatabase({ migrated: false })
  const name = uniqueName('nowhere')
  const url = new URL(db.url)
  url.pathname = `/${name}`
  const options = { url: url.href, poolMax: 2, timeoutMs: 5000 }
  await expect(migrate(options)).rejects.toMatchObject({
    code: 'DATABASE_MISSING',
    message: expect.stringMatching(/ does not exist \(DATABASE_URL\): .*create it \(createdb --owner\)$/),
  })
  const database = await openDatabase(options)
  await expect(database.start()).rejects.toMatchObject({ code: 'DATABASE_MISSING' })
  // What MikroORM's own command line does with the same options.
  await expect(database.orm.migrator.up()).rejects.toThrow('does not exist')
  await expect(database.orm.schema.ensureDatabase()).resolves.toBe(false)
  await database.orm.close(true)
  const { rows } = await sql`select 1 from pg_database where datname = ${name}`.execute(db.database.kysely)
  expect(rows).toEqual([])
})

test('a database that is behind, or needs a newer version, is refused', async () => {
  const { database } = await migratedTo('20261125-removed-gifts')
  const starts = async () => {
    const opened = await openDatabase(optionsOf(db!))
    try {
      await opened.start()
    } finally {
      await opened.orm.close(true)
    }
  }
  await expect(starts()).rejects.toMatchObject({ code: 'DATABASE_BEHIND' })
  await migrate(optionsOf(db!))
  await starts()
  await sql`update campaign_promotion_schema set oldest_version = '20991231-a-later-one'`.execute(database.kysely)
  await expect(starts()).rejects.toMatchObject({ code: 'DATABASE_AHEAD' })
})

test('what is newer can be taken back and run again, with the rows kept', async () => {
  db = await createTestDatabase()
  const { kysely } = db.database
  await insertGifts(kysely, 1, 10)
  const skip = (message: string) =>
    sql`
    insert into campaign_promotion_skipped (topic, partition, "offset", promotion_id, target_id, reason, message)
    values ('t', 0, 1, 1, 1, 'promotion-stopped', ${message})`.execute(kysely)
  await skip('one')
  await skip('other')
  const undone = await rollBack(optionsOf(db), '20261125-removed-gifts')
  expect(undone).toEqual(
    MIGRATIONS.slice(5)
      .map(({ name }) => name)
      .reverse(),
  )
  await expect(rollBack(optionsOf(db), '20261121-create-tables')).rejects.toMatchObject({ code: 'MIGRATION_FINAL' })
  await migrate(optionsOf(db))
  await db.database.start()
  const { rows } = await sql`select 1 from campaign_promotion_voucher_result`.execute(kysely)
  expect(rows).toHaveLength(10)
})

test('a user who owns neither database nor tables is told so', async () => {
  db = await createTestDatabase({ migrated: false })
  const user = uniqueName('guest')
  await sql`create role ${sql.id(user)} login password 'guest'`.execute(db.database.kysely)
  // As from PostgreSQL 15 on; in 14 everybody may create tables in it.
  await sql`revoke create on schema public from public`.execute(db.database.kysely)
  const url = Object.assign(new URL(db.url), { username: user, password: 'guest' }).href
  try {
    await expect(migrate({ url, poolMax: 3, timeoutMs: 5000 })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(
        /permission denied .*: the user in DATABASE_URL must own the database and its tables$/,
      ),
    })
  } finally {
    await sql`drop role ${sql.id(user)}`.execute(db.database.kysely)
  }
})
