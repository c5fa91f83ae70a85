import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import { examine } from '#bin/doctor/examine.ts'
import { freePort } from '#local/servers/free-port.ts'
import { runCli } from '#test/support/cli.ts'
import { type SecureKafka, startSecureKafka } from '#test/support/kafka-tls.ts'
import { startSecureMoneyApi } from '#test/support/money-tls.ts'
import { startOwnPostgres } from '#test/support/own-postgres.ts'
import { useCertificate } from '#test/support/postgres-tls.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'
import { createTestCa, type TestCa } from '#test/support/test-ca.ts'

jest.setTimeout(300_000)

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const PASSWORD = 'canary-secret'
const USER = 'pays'

withKafka('every connection over TLS, as users that may do only what is needed', () => {
  const stack = new AsyncDisposableStack()
  let system: TestSystem
  let ca: TestCa
  let kafka: SecureKafka
  let redis: TestRedis
  let redisPort: number
  let env: Record<string, string>

  beforeAll(async () => {
    ca = await createTestCa()
    stack.defer(() => ca.stop())
    kafka = await startSecureKafka(ca, { name: USER, password: PASSWORD })
    stack.defer(() => kafka.stop())
    // Others of the run ask theirs for TLS that it does not have.
    const ownPostgres = await startOwnPostgres()
    stack.defer(() => ownPostgres.stop())
    system = await TestSystem.create({ KAFKA_BROKERS: kafka.plain }, ownPostgres.url)
    stack.defer(() => system.stop())
    redisPort = await freePort()
    const settings = () => ({
      'tls-port': String(redisPort),
      'tls-cert-file': ca.server.cert,
      'tls-key-file': ca.server.key,
      'tls-ca-cert-file': ca.ca,
      'tls-auth-clients': 'yes',
    })
    redis = await startTestRedis({ settings })
    stack.defer(() => redis.stop())
    const postgres = await useCertificate(system.kysely, ca.server)
    stack.defer(() => postgres.stop())
    const money = await startSecureMoneyApi(ca, ca.server, system.moneyUrl)
    stack.defer(() => money.stop())
    env = {
      ...system.env,
      DATABASE_URL: await databaseUrl({ sslmode: 'verify-full', sslrootcert: ca.ca }),
      ...filesOf('REDIS'),
      REDIS_URL: await redisUrl('127.0.0.1'),
      ...filesOf('KAFKA'),
      KAFKA_BROKERS: kafka.secure,
      KAFKA_SSL: 'true',
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
      KAFKA_SASL_USERNAME: USER,
      KAFKA_SASL_PASSWORD: PASSWORD,
      ...filesOf('MONEY_API'),
      MONEY_API_URL: money.url,
    }
  })
  afterAll(() => stack.disposeAsync())

  function filesOf(peer: string): Record<string, string> {
    return { [`${peer}_CA_FILE`]: ca.ca, [`${peer}_CERT_FILE`]: ca.client.cert, [`${peer}_KEY_FILE`]: ca.client.key }
  }

  /** As a role of its own, made by the statements that the command prints. */
  async function databaseUrl(parameters: Record<string, string>): Promise<string> {
    const role = USER
    await sql`create role ${sql.id(role)} login`.execute(system.kysely)
    const { stdout } = await runCli(system.env, 'rights', 'postgres', '--user', role)
    for (const statement of stdout.trim().split('\n')) await sql.raw(statement).execute(system.kysely)
    const url = new URL(system.env.DATABASE_URL!)
    url.username = role
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }

  async function redisUrl(host: string): Promise<string> {
    const { stdout } = await runCli(system.env, 'rights', 'redis', '--user', USER)
    const [acl, ...rules] = stdout.trim().split(' ')
    await redis.probe.call(acl!, ...rules)
    await redis.probe.acl('SETUSER', USER, `>${PASSWORD}`)
    return `rediss://${USER}:${PASSWORD}@${host}:${redisPort}`
  }

  test('gifts are paid, retried and audited, the admin and the doctor work, and no server had to refuse anything', async () => {
    await Promise.all([
      system.start('listener', env),
      system.start('worker', env),
      system.start('admin', { ...env, REDIS_KEY_PREFIX: '' }),
    ])
    await system.control({ faultPercent: 30, faults: ['error-503'] })
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', 200)
    await system.publishGifts(promotionId, targetsOf(200))
    await system.until(
      'all paid',
      async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === 200,
      60_000,
    )
    for (const args of [
      ['pause', promotionId],
      ['resume', promotionId],
      ['rebuild', promotionId],
      ['ask-first', 'status'],
    ])
      expect([args, (await runCli(env, ...args)).code]).toEqual([args, 0])
    const audit = await runCli(env, 'audit', promotionId, '--charges', 'api', '--json')
    expect(JSON.parse(audit.stdout)).toMatchObject({ ok: true, chargedOnce: 200 })
    const found = (await examine(env)).filter(({ status }) => status !== 'ok')
    expect(found).toEqual([])
    const refused = (await redis.probe.call('ACL', 'LOG')) as unknown[][]
    expect(refused.map(entry => [entry[entry.indexOf('context') + 1], entry[entry.indexOf('object') + 1]])).toEqual([])
  })

  test('these users may do nothing else', async () => {
    const tls = { ca: [], rejectUnauthorized: false }
    const client = new Redis(env.REDIS_URL!, {
      tls: { ...tls, cert: await read(ca.client.cert), key: await read(ca.client.key) },
      retryStrategy: () => null,
    })
    for (const command of [['FLUSHALL'], ['CONFIG', 'GET', '*'], ['KEYS', '*'], ['GET', 'elsewhere'], ['SHUTDOWN']])
      await expect(client.call(command[0]!, ...command.slice(1))).rejects.toThrow('NOPERM')
    client.disconnect()
    const { openDatabase } = await import('#database/database.ts')
    const database = await openDatabase({ url: env.DATABASE_URL!, poolMax: 1, timeoutMs: 3000 })
    for (const statement of [
      'delete from campaign_promotion_voucher_result',
      'drop table campaign_promotion',
      'truncate admin_audit',
      'delete from admin_audit',
      'update campaign_promotion_archived_gift set amount = 1',
      'create table x (id int)',
    ])
      await expect(sql.raw(statement).execute(database.kysely)).rejects.toThrow(/permission denied|must be owner/)
    await database.orm.close(true)
  })

  /** How a worker ends that is started so. */
  async function refusal(overrides: Record<string, string>): Promise<{ code: number | null; error: string }> {
    const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', 'src/bin/worker.ts'], {
      env: { ...env, WORKER_PORT: '0', PROBE_HOST: '127.0.0.1', ...overrides },
    })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (out += chunk))
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    expect(out).not.toContain(PASSWORD)
    const errors = out
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as { level: number | string; msg: string })
      .filter(({ level }) => level === 'fatal' || level === 60)
    expect(errors).toHaveLength(1)
    return { code, error: errors[0]!.msg }
  }

  const WRONG_CA = /self.signed certificate|unable to (get local issuer|verify)|certificate signature failure/i
  const WRONG_HOST = /does not match certificate/i
  const EXPIRED = /certificate has expired|CERT_HAS_EXPIRED/i

  const withHost = (url: string, host: string) => {
    const changed = new URL(url)
    changed.hostname = host
    return changed.href
  }

  test('PostgreSQL: another CA, another host, an expired certificate', async () => {
    const other = env.DATABASE_URL!.replace(encodeURIComponent(ca.ca), encodeURIComponent(ca.otherCa))
    expect(other).not.toBe(env.DATABASE_URL)
    expect(await refusal({ DATABASE_URL: other })).toEqual({ code: 1, error: expect.stringMatching(WRONG_CA) })
    const elsewhere = await refusal({ DATABASE_URL: withHost(env.DATABASE_URL!, 'localhost') })
    expect(elsewhere).toEqual({ code: 1, error: expect.stringMatching(WRONG_HOST) })
    const expired = await useCertificate(system.kysely, ca.expired)
    try {
      await system.until('PostgreSQL shows it', async () =>
        EXPIRED.test((await examine(env)).find(({ area }) => area === 'database')?.detail ?? ''),
      )
      const told = await refusal({})
      expect(told).toEqual({ code: 1, error: expect.stringMatching(EXPIRED) })
      expect(told.error).toMatch(/DATABASE_URL/)
    } finally {
      await expired.stop()
      await useCertificate(system.kysely, ca.server)
    }
  })

  test('Redis: another CA, another host, an expired certificate, another password', async () => {
    const other = await refusal({ REDIS_CA_FILE: ca.otherCa })
    expect(other).toEqual({ code: 1, error: expect.stringMatching(WRONG_CA) })
    expect(other.error).toMatch(/REDIS_URL/)
    const elsewhere = await refusal({ REDIS_URL: withHost(env.REDIS_URL!, 'localhost') })
    expect(elsewhere).toEqual({ code: 1, error: expect.stringMatching(WRONG_HOST) })
    const wrong = await refusal({ REDIS_URL: env.REDIS_URL!.replace(PASSWORD, 'wrong') })
    expect(wrong).toEqual({ code: 1, error: expect.stringMatching(/WRONGPASS/) })
    const show = ({ cert, key }: { cert: string; key: string }) =>
      redis.probe.call('CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key)
    await show(ca.expired)
    try {
      expect(await refusal({})).toEqual({ code: 1, error: expect.stringMatching(EXPIRED) })
    } finally {
      await show(ca.server)
    }
  })

  test('Kafka: another CA, another host, an expired certificate, another password', async () => {
    const other = await refusal({ KAFKA_CA_FILE: ca.otherCa })
    expect(other).toEqual({ code: 1, error: expect.stringMatching(WRONG_CA) })
    expect(other.error).toMatch(/KAFKA_/)
    const elsewhere = await refusal({ KAFKA_BROKERS: kafka.secure.replace('127.0.0.1', 'localhost') })
    expect(elsewhere).toEqual({ code: 1, error: expect.stringMatching(WRONG_HOST) })
    expect(await refusal({ KAFKA_BROKERS: kafka.expired })).toEqual({ code: 1, error: expect.stringMatching(EXPIRED) })
    const wrong = await refusal({ KAFKA_SASL_PASSWORD: 'wrong' })
    expect(wrong).toEqual({ code: 1, error: expect.stringMatching(/SASL|authentication/i) })
  })

  test('Money API: another CA, another host, an expired certificate, no certificate of ours', async () => {
    const detail = async (overrides: Record<string, string>) =>
      (await examine({ ...env, ...overrides })).find(({ area }) => area === 'money-api')?.detail
    expect(await detail({ MONEY_API_CA_FILE: ca.otherCa })).toMatch(WRONG_CA)
    expect(await detail({ MONEY_API_URL: withHost(env.MONEY_API_URL!, 'localhost') })).toMatch(WRONG_HOST)
    expect(await detail({ MONEY_API_CERT_FILE: '', MONEY_API_KEY_FILE: '' })).toMatch(
      /certificate required|alert|closed|ECONNRESET/i,
    )
    const expired = await startSecureMoneyApi(ca, ca.expired, system.moneyUrl)
    expect(await detail({ MONEY_API_URL: expired.url })).toMatch(EXPIRED)
    await expired.stop()
  })
})

async function read(file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  return readFile(file, 'utf8')
}
