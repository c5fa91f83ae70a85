import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { openDatabase } from '#database/database.ts'
import { type PostgresTls, switchTlsOn } from '#test/support/postgres-tls.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/stack-env.ts'

interface Session {
  tls: boolean
  name: string
  path: string
}

describe('what a DATABASE_URL asks for is what the server sees', () => {
  let db: TestDatabase

  beforeAll(async () => {
    db = await createTestDatabase({ migrated: false })
  })
  afterAll(() => db.drop())

  const urlWith = (parameters: Record<string, string>) => {
    const url = new URL(db.url)
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }

  /** How the server sees the connection; rejects when there is none. */
  async function session(parameters: Record<string, string>): Promise<Session> {
    const database = await openDatabase({ url: urlWith(parameters), poolMax: 1, timeoutMs: 3000 })
    try {
      const { rows } = await sql<Session>`
        select ssl as tls, current_setting('application_name') as name, current_setting('search_path') as path
        from pg_stat_ssl where pid = pg_backend_pid()`.execute(database.kysely)
      return rows[0] as Session
    } finally {
      await database.orm.close(true)
    }
  }

  test('application_name and options', async () => {
    expect(await session({})).toEqual({ tls: false, name: 'promostream', path: '"$user", public' })
    expect(await session({ application_name: 'mine', options: '-csearch_path=gifts' })).toEqual({
      tls: false,
      name: 'mine',
      path: 'gifts',
    })
  })

  test('a Unix socket', async () => {
    const { rows } = await sql<{ folders: string }>`
      select current_setting('unix_socket_directories') as folders`.execute(db.database.kysely)
    const folder = rows[0]?.folders.split(',')[0]?.trim() ?? ''
    if (folder === '') return
    expect(await session({ host: folder })).toMatchObject({ tls: false })
  })

  test.each(['require', 'no-verify', 'verify-full'])(
    'sslmode=%s and a server without TLS: no connection',
    async sslmode => {
      await expect(session({ sslmode })).rejects.toThrow('The server does not support SSL connections')
    },
  )

  describe('a server with TLS', () => {
    let tls: PostgresTls

    beforeAll(async () => {
      tls = await switchTlsOn(db.database.kysely)
      const isOn = () =>
        session({ sslmode: 'require' }).then(
          ({ tls: yes }) => yes,
          () => false,
        )
      const deadline = Date.now() + 20_000
      while (!(await isOn())) {
        if (Date.now() > deadline) throw new Error('waited 20 s for PostgreSQL to switch TLS on')
        await sleep(50)
      }
    }, 30_000)
    afterAll(() => tls.stop())

    test('require, verify-ca and verify-full use it', async () => {
      expect(await session({ sslmode: 'require' })).toMatchObject({ tls: true })
      expect(await session({ sslmode: 'verify-ca', sslrootcert: tls.ca })).toMatchObject({ tls: true })
      expect(await session({ sslmode: 'verify-full', sslrootcert: tls.ca })).toMatchObject({ tls: true })
      expect(await session({ sslmode: 'disable' })).toMatchObject({ tls: false })
    })

    test('a certificate that nobody vouches for, or of another name, is refused', async () => {
      await expect(session({ sslmode: 'verify-full' })).rejects.toThrow(/self-signed certificate/)
      const other = { sslrootcert: tls.ca, host: 'localhost' }
      await expect(session({ ...other, sslmode: 'verify-full' })).rejects.toThrow(/does not match certificate/)
      expect(await session({ ...other, sslmode: 'verify-ca' })).toMatchObject({ tls: true })
    })
  })
})
