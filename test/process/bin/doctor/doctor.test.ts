import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { runCli } from '#test/support/cli.ts'
import { answering, DoctorRig, expectFault } from '#test/support/doctor-rig.ts'
import { type OwnPostgres, startOwnPostgres } from '#test/support/own-postgres.ts'
import { findPgBouncer, startPgBouncer } from '#test/support/pgbouncer.ts'
import { createTestDatabase, kafkaMissing } from '#test/support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const bouncer = await findPgBouncer()

withKafka('promostream doctor', () => {
  let rig: DoctorRig
  let postgres: OwnPostgres

  beforeAll(async () => {
    postgres = await startOwnPostgres()
    rig = await DoctorRig.create(postgres.url)
  }, 60_000)
  afterAll(async () => {
    await rig?.stop()
    await postgres?.stop()
  })

  test('says nothing wrong on a healthy installation, before its first start and after it', async () => {
    const names = Object.keys(rig.system.env).filter(name => name.startsWith('KAFKA_TOPIC_'))
    const fresh = Object.fromEntries(names.map(name => [name, `never-${name.toLowerCase()}`]))
    expect(await rig.faults(fresh)).toEqual([
      expect.objectContaining({ check: 'topics', status: 'warning', detail: 'none exists yet' }),
    ])
    expect(await rig.faults({})).toEqual([])
    await rig.system.start('listener')
    const { code, stdout } = await runCli(rig.system.env, 'doctor')
    expect(stdout).not.toMatch(/[✗!] /)
    expect(stdout).toMatch(/✓ database +schema +all migrations have run/)
    expect(stdout).toMatch(/✓ kafka +lag +\S+-voucher: 0 messages, 1 member/)
    expect(code).toBe(0)
  }, 60_000)

  test('is a table with what to do, or JSON; ends with 1 when something is wrong', async () => {
    const env = { ...rig.system.env, WORKER_MAX_INFLIGHT: '5', MONEY_API_TOKEN: 'wrong' }
    const table = await runCli(env, 'doctor')
    expect(table.stdout).toMatch(/! settings +names +WORKER_MAX_INFLIGHT is no setting.*WORKER_MAX_IN_FLIGHT meant\?/)
    expect(table.stdout).toMatch(/✗ money-api +credentials +it answers 401 to a GET\n +→ correct MONEY_API_TOKEN/)
    expect(table.code).toBe(1)
    const json = await runCli(env, 'doctor', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false })
    expect(json.code).toBe(1)
    expect(table.stdout + json.stdout).not.toContain('test-token')
  }, 60_000)

  test('a wrong setting: named, once for all processes that it stops', async () => {
    const found = await rig.faults({ DATABASE_TIMEOUT_MS: 'soon' })
    expectFault(found, 'settings', 'listener, worker, admin', /^DATABASE_TIMEOUT_MS must be/, /contract/)
  })

  test.each([
    [302, '{}', 'answer', /^it answers 302 \(a redirect, which is never followed\)$/, /to where it leads/],
    [503, '{}', 'answer', /^it answers 503 to a GET$/, /ask those/],
    [403, '{}', 'credentials', /^it answers 403 to a GET$/, /MONEY_API_TOKEN/],
  ] as const)('a Money API that answers %d', async (status, body, check, detail, todo) => {
    const { url, server } = await answering(status, body)
    const found = await rig.faults({ MONEY_API_URL: url })
    server.close()
    expectFault(found, 'money-api', check, detail, todo)
  })

  test('a Money API that is not there, or shows a page', async () => {
    const found = await rig.faults({ MONEY_API_URL: 'http://127.0.0.1:1' })
    expectFault(found, 'money-api', 'answer', /ECONNREFUSED/, /start the Money API/)
    const { url, server } = await answering(404, '<html>nginx</html>')
    expect(await rig.faults({ MONEY_API_URL: url })).toEqual([
      expect.objectContaining({ check: 'answer', status: 'warning', detail: 'it answers 404 with a page' }),
    ])
    server.close()
  })

  test('a database that does not exist', async () => {
    const url = new URL(rig.system.env.DATABASE_URL!)
    url.pathname = '/mistyped'
    const found = await rig.faults({ DATABASE_URL: url.href })
    expectFault(found, 'database', 'connection', /"mistyped" does not exist/, /create the database .* migrate/)
  })

  test('a user that PostgreSQL does not let in', async () => {
    const url = new URL(rig.system.env.DATABASE_URL!)
    url.username = 'nobody-yet'
    const found = await rig.faults({ DATABASE_URL: url.href })
    expectFault(found, 'database', 'connection', /nobody-yet/, /createuser/)
  })

  test('a database that is behind its migrations', async () => {
    const behind = await createTestDatabase({ migrated: false, serverUrl: postgres.url })
    const found = await rig.faults({ DATABASE_URL: behind.url, REDIS_KEY_PREFIX: 'behind:' })
    await behind.drop()
    expectFault(found, 'database', 'schema', /migration\(s\) behind$/, /run «npm run migrate»/)
  })

  test('a PostgreSQL that is not there, and one without the TLS that was asked for', async () => {
    const found = await rig.faults({ DATABASE_URL: 'postgres://u:canary-secret@127.0.0.1:1/x' })
    expectFault(found, 'database', 'connection', /ECONNREFUSED/, /start PostgreSQL/)
    const plain = await rig.faults({ DATABASE_URL: `${rig.system.env.DATABASE_URL}?sslmode=require` })
    expectFault(plain, 'database', 'connection', /does not support SSL/, /DATABASE_URL/)
  })

  test('a PostgreSQL that forgets commits in a crash, and one whose failover can lose the last of them', async () => {
    const asked = `${rig.system.env.DATABASE_URL}?options=${encodeURIComponent('-c synchronous_commit=off')}`
    const todo = /a row that was committed must outlive a crash/
    expectFault(
      await rig.faults({ DATABASE_URL: asked }),
      'database',
      'durability',
      /^synchronous_commit is off$/,
      todo,
    )
    // To the server every connection that may replicate is a replica.
    const replica = new pg.Client({
      connectionString: rig.system.env.DATABASE_URL,
      replication: 'true',
    } as pg.ClientConfig)
    await replica.connect()
    try {
      expect(await rig.faults({})).toEqual([
        expect.objectContaining({
          ...{ area: 'database', check: 'replicas', status: 'warning' },
          detail: '1, none synchronous: a failover can lose the last commits',
          todo: expect.stringMatching(/synchronous_standby_names.*promostream audit/),
        }),
      ])
    } finally {
      await replica.end()
    }
  })

  const withBouncer = bouncer === undefined ? test.skip : test
  withBouncer('a pooler whose sessions do not last', async () => {
    const settings = [
      'pool_mode = transaction',
      'ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout,lock_timeout',
    ]
    const running = await startPgBouncer(bouncer!, rig.system.env.DATABASE_URL!, settings)
    const found = await rig.faults({ DATABASE_URL: running.url })
    await running.stop()
    expectFault(found, 'database', 'sessions', /another session/, /connect to PostgreSQL itself/)
  })
})
