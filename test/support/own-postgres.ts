import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import { runCommand } from '#local/servers/command.ts'
import { freePort } from '#local/servers/free-port.ts'
import { postgresServer } from '#local/servers/postgres.ts'
import { Progress } from '#local/servers/progress.ts'

export interface OwnPostgres {
  url: string
  /** Takes a base copy of the data folder while it is written to. */
  copy(kysely: Kysely<unknown>): Promise<void>
  /** Kills the server, puts the copy in the place of its data, and starts it again. */
  restore(): Promise<void>
  stop(): Promise<void>
}

/** A PostgreSQL of its own, which the others of the run do not miss. */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-postgres-'))
  // The server may be another user.
  await runCommand('chmod', ['755', folder], { env: process.env })
  const progress = new Progress(() => undefined)
  const server = postgresServer({ env: process.env, folder, keep: false, progress, pickPort: freePort })
  const { DATABASE_URL: url } = await server.start()
  const [data, copied] = [join(folder, 'postgres', 'data'), join(folder, 'postgres', 'copy')]
  const shell = (script: string) => runCommand('sh', ['-c', script], { env: process.env })
  // A file that changes while it is read is made whole by the log: tar says 1 then.
  const pack = (what: string) =>
    shell(`tar -C ${data} --exclude=./postmaster.pid ${what} -cf - | tar -C ${copied} -xpf - ; test $? -le 1`)
  return {
    url: url!,
    copy: kysely =>
      kysely.connection().execute(async session => {
        await sql`select pg_backup_start('drill', true)`.execute(session)
        await shell(`rm -rf ${copied} && mkdir ${copied}`)
        await pack('--exclude=./pg_wal/* .')
        const { rows } = await sql<{ label: string }>`
          select labelfile as label from pg_backup_stop(false)`.execute(session)
        await pack('./pg_wal')
        writeFileSync(join(copied, 'backup_label'), rows[0]!.label)
        await shell(`chown -R --reference=${data} ${copied} && chmod 700 ${copied}`)
      }),
    restore: async () => {
      server.signal('SIGKILL')
      await server.gone()
      await shell(`rm -rf ${data} && mv ${copied} ${data}`)
      await server.start()
    },
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
