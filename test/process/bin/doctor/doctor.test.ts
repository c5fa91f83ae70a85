import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { examine } from '#bin/doctor/examine.ts'
import type { Finding } from '#bin/doctor/finding.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { runCli } from '#test/support/cli.ts'
import { type OwnPostgres, startOwnPostgres } from '#test/support/own-postgres.ts'
import { findPgBouncer, startPgBouncer } from '#test/support/pgbouncer.ts'
import { startTestRedis } from '#test/support/redis.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { createTestDatabase, kafkaMissing } from '#test/support/stack-env.ts'
import { giftJson, TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const bouncer = await findPgBouncer()

withKafka('promostream doctor', () => {
  let system: TestSystem
  /** As users have it: that of the run waits for no disk, which the doctor finds wrong. */
  let postgres: OwnPostgres

  beforeAll(async () => {
    postgres = await startOwnPostgres()
    system = await TestSystem.create({}, postgres.url)
  }, 60_000)
  afterAll(async () => {
    await system?.stop()
    await postgres?.stop()
  })

  const notFine = (findings: readonly Finding[]) => findings.filter(({ status }) => status !== 'ok')

  /** What is wrong with the healthy installation but for these settings. */
  async function faults(overrides: Record<string, string | undefined>): Promise<Finding[]> {
    return notFine(await examine({ ...system.env, ...overrides }))
  }

  /** One thing is wrong, and this is it. */
  function expectFault(found: readonly Finding[], area: string, check: string, detail: RegExp, todo: RegExp) {
    expect(found).toEqual([
      expect.objectContaining({
        ...{ area, check, status: 'failed' },
        detail: expect.stringMatching(detail),
        todo: expect.stringMatching(todo),
      }),
    ])
  }

  async function answering(status: number, body = '{}'): Promise<{ url: string; server: Server }> {
    const server = createServer((_, response) => response.writeHead(status, { location: '/elsewhere' }).end(body))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
  }

  /** A consumer group of its own, and topics of its own with these settings. */
  async function withTopics<T>(
    settings: Record<string, string>,
    work: (topics: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    const names = ['STARTED', 'VOUCHER', 'POINT', 'VOUCHER_RETRY', 'POINT_RETRY', 'INVALID', 'COMPLETED']
    const prefix = `doctor-${targetsOf(1)[0]}`
    const topics = Object.fromEntries(names.map(name => [`KAFKA_TOPIC_${name}`, `${prefix}-${name.toLowerCase()}`]))
    const admin = system.kafka.admin()
    await admin.connect()
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    await admin.createTopics({
      waitForLeaders: false,
      topics: Object.values(topics).map(topic => ({
        topic,
        numPartitions: 1,
        configEntries: topic === topics.KAFKA_TOPIC_VOUCHER ? configEntries : [],
      })),
    })
    await ensureTopics(system.kafka, Object.values(topics), 1)
    try {
      return await work({ ...topics, KAFKA_GROUP_ID: prefix })
    } finally {
      await admin.deleteTopics({ topics: Object.values(topics) }).catch(() => undefined)
      await admin.disconnect()
    }
  }

  test('says nothing wrong on a healthy installation, before its first start and after it', async () => {
    const names = Object.keys(system.env).filter(name => name.startsWith('KAFKA_TOPIC_'))
    const fresh = Object.fromEntries(names.map(name => [name, `never-${name.toLowerCase()}`]))
    // A busy machine is not what is looked for.
    const patient = { MONEY_API_TIMEOUT_MS: '10000', REDIS_STREAM_CLAIM_MIN_IDLE_MS: '60000' }
    expect(await faults({ ...fresh, ...patient })).toEqual([
      expect.objectContaining({ check: 'topics', status: 'warning', detail: 'none exists yet' }),
    ])
    expect(await faults(patient)).toEqual([])
    await system.start('listener')
    const { code, stdout } = await runCli({ ...system.env, ...patient }, 'doctor')
    expect(stdout).not.toMatch(/[✗!] /)
    expect(stdout).toMatch(/✓ database +schema +all migrations have run/)
    expect(stdout).toMatch(/✓ kafka +lag +\S+-voucher: 0 messages, 1 member/)
    expect(code).toBe(0)
  }, 60_000)

  test('is a table with what to do, or JSON; ends with 1 when something is wrong', async () => {
    const env = { ...system.env, WORKER_MAX_INFLIGHT: '5', MONEY_API_TOKEN: 'wrong' }
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
    const found = await faults({ DATABASE_TIMEOUT_MS: 'soon' })
    expectFault(found, 'settings', 'listener, worker, admin', /^DATABASE_TIMEOUT_MS must be/, /contract/)
  })

  test('a database that does not exist', async () => {
    const url = new URL(system.env.DATABASE_URL!)
    url.pathname = '/mistyped'
    const found = await faults({ DATABASE_URL: url.href })
    expectFault(found, 'database', 'connection', /"mistyped" does not exist/, /create the database .* migrate/)
  })

  test('a user that PostgreSQL does not let in', async () => {
    const url = new URL(system.env.DATABASE_URL!)
    url.username = 'nobody-yet'
    const found = await faults({ DATABASE_URL: url.href })
    expectFault(found, 'database', 'connection', /nobody-yet/, /createuser/)
  })

  test('a database that is behind its migrations', async () => {
    const behind = await createTestDatabase({ migrated: false, serverUrl: postgres.url })
    const found = await faults({ DATABASE_URL: behind.url, REDIS_KEY_PREFIX: 'behind:' })
    await behind.drop()
    expectFault(found, 'database', 'schema', /migration\(s\) behind$/, /run «npm run migrate»/)
  })

  test('a PostgreSQL that is not there, and one without the TLS that was asked for', async () => {
    const found = await faults({ DATABASE_URL: 'postgres://u:canary-secret@127.0.0.1:1/x' })
    expectFault(found, 'database', 'connection', /ECONNREFUSED/, /start PostgreSQL/)
    const plain = await faults({ DATABASE_URL: `${system.env.DATABASE_URL}?sslmode=require` })
    expectFault(plain, 'database', 'connection', /does not support SSL/, /DATABASE_URL/)
  })

  test('a PostgreSQL that forgets commits in a crash, and one whose failover can lose the last of them', async () => {
    const asked = `${system.env.DATABASE_URL}?options=${encodeURIComponent('-c synchronous_commit=off')}`
    const todo = /a row that was committed must outlive a crash/
    expectFault(await faults({ DATABASE_URL: asked }), 'database', 'durability', /^synchronous_commit is off$/, todo)
    // To the server every connection that may replicate is a replica.
    const replica = new pg.Client({ connectionString: system.env.DATABASE_URL, replication: 'true' } as pg.ClientConfig)
    await replica.connect()
    try {
      expect(await faults({})).toEqual([
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
    const running = await startPgBouncer(bouncer!, system.env.DATABASE_URL!, settings)
    const found = await faults({ DATABASE_URL: running.url })
    await running.stop()
    expectFault(found, 'database', 'sessions', /another session/, /connect to PostgreSQL itself/)
  })

  slowTest(
    'a Redis that deletes by itself, keeps nothing, is a replica, is full, or refuses us',
    async () => {
      const redis = await startTestRedis()
      const at = (url: string) => faults({ REDIS_STREAM_URL: url })
      try {
        expect(await at(redis.url)).toEqual([])
        await redis.probe.config('SET', 'maxmemory-policy', 'allkeys-lru')
        expectFault(await at(redis.url), 'streams', 'eviction', /allkeys-lru may delete a whole stream/, /noeviction/)
        await redis.probe.config('SET', 'maxmemory-policy', 'noeviction')
        await redis.probe.config('SET', 'appendonly', 'no')
        expect(await at(redis.url)).toEqual([expect.objectContaining({ check: 'persistence', status: 'warning' })])
        await redis.probe.config('SET', 'appendonly', 'yes')
        await redis.probe.config('SET', 'maxmemory', '1mb')
        expect(await at(redis.url)).toEqual([expect.objectContaining({ check: 'memory', status: 'warning' })])
        await redis.probe.config('SET', 'maxmemory', '0')
        await redis.probe.replicaof('127.0.0.1', 1)
        expectFault(await at(redis.url), 'streams', 'role', /replica/, /name the master in REDIS_STREAM_URL/)
        await redis.probe.replicaof('NO', 'ONE')
        await redis.probe.config('SET', 'requirepass', 'canary-secret')
        const refused = await at(redis.url)
        expectFault(refused, 'streams', 'connection', /^NOAUTH/, /correct user and password in REDIS_STREAM_URL/)
        const wrong = await at(redis.url.replace('redis://', 'redis://:wrong@'))
        expectFault(wrong, 'streams', 'connection', /^WRONGPASS/, /correct user and password in REDIS_STREAM_URL/)
      } finally {
        await redis.stop()
      }
      expectFault(await at(redis.url), 'streams', 'connection', /ECONNREFUSED/, /start Redis/)
      const cluster = await faults({ REDIS_CLUSTER: 'true' })
      expect(cluster.map(({ area, check }) => [area, check])).toEqual([
        ['redis', 'mode'],
        ['streams', 'mode'],
      ])
    },
    60_000,
  )

  slowTest(
    'a Kafka that is not there',
    async () => {
      const found = await faults({ KAFKA_BROKERS: '127.0.0.1:1' })
      expectFault(found, 'kafka', 'connection', /ECONNREFUSED/, /start Kafka, or correct KAFKA_BROKERS/)
    },
    60_000,
  )

  test('topics that are missing, forget too soon, forget by size, or are compacted', async () => {
    await withTopics({}, async topics => {
      expect(await faults(topics)).toEqual([])
      const found = await faults({ ...topics, KAFKA_TOPIC_POINT: 'never' })
      expectFault(found, 'kafka', 'topics', /^missing: never$/, /restart the processes/)
    })
    await withTopics({ 'retention.ms': '3600000' }, async topics => {
      expectFault(await faults(topics), 'kafka', 'retention', /-voucher keeps messages for 1\.0 hours/, /retention\.ms/)
    })
    await withTopics({ 'cleanup.policy': 'compact' }, async topics => {
      expectFault(await faults(topics), 'kafka', 'cleanup', /-voucher is compacted/, /cleanup\.policy/)
    })
    await withTopics({ 'retention.bytes': '1000000' }, async topics => {
      expect(await faults(topics)).toEqual([expect.objectContaining({ check: 'retention', status: 'warning' })])
    })
  }, 60_000)

  slowTest(
    'messages that wait and nobody reads, that were deleted unread, and a topic that was made again',
    async () => {
      await withTopics({}, async topics => {
        const topic = topics.KAFKA_TOPIC_VOUCHER!
        const [targetId] = targetsOf(1)
        const value = giftJson('VOUCHER', { promotionId: '1', targetId })
        await Promise.all([1, 2, 3].map(() => system.events.publish({ topic, key: 'k', value })))
        expectFault(
          await faults(topics),
          'kafka',
          'lag',
          /^3 messages of \S+-voucher wait, and nobody/,
          /start a listener/,
        )
        const admin = system.kafka.admin()
        await admin.connect()
        const groupId = `${topics.KAFKA_GROUP_ID}-voucher`
        const commit = (offset: string) => admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset }] })
        await commit('3')
        expect(await faults(topics)).toEqual([])
        await commit('1')
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
        expectFault(
          await faults(topics),
          'kafka',
          'lag',
          /^2 messages of \S+ were deleted before/,
          /publish them again/,
        )
        await commit('30')
        expectFault(await faults(topics), 'kafka', 'offsets', /beyond the end of 1 partition/, /made again/)
        await admin.disconnect()
      })
    },
    60_000,
  )

  test('a codec that does not work here', async () => {
    const { CompressionCodecs, CompressionTypes } = kafkajs
    await examine(system.env)
    const zstd = CompressionCodecs[CompressionTypes.ZSTD]
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: () => Promise.reject(new Error('no such library')),
      decompress: () => Promise.reject(new Error('no such library')),
    })
    const { findBrokenCodecs } = await import('#kafka/topic-health.ts')
    expect(await findBrokenCodecs()).toEqual(['ZSTD (no such library)'])
    CompressionCodecs[CompressionTypes.ZSTD] = zstd
    expect(await findBrokenCodecs()).toEqual([])
  })

  test.each([
    [302, '{}', 'answer', /^it answers 302 \(a redirect, which is never followed\)$/, /to where it leads/],
    [503, '{}', 'answer', /^it answers 503 to a GET$/, /ask those/],
    [403, '{}', 'credentials', /^it answers 403 to a GET$/, /MONEY_API_TOKEN/],
  ] as const)('a Money API that answers %d', async (status, body, check, detail, todo) => {
    const { url, server } = await answering(status, body)
    const found = await faults({ MONEY_API_URL: url })
    server.close()
    expectFault(found, 'money-api', check, detail, todo)
  })

  test('a Money API that is not there, or shows a page', async () => {
    const found = await faults({ MONEY_API_URL: 'http://127.0.0.1:1' })
    expectFault(found, 'money-api', 'answer', /ECONNREFUSED/, /start the Money API/)
    const { url, server } = await answering(404, '<html>nginx</html>')
    expect(await faults({ MONEY_API_URL: url })).toEqual([
      expect.objectContaining({ check: 'answer', status: 'warning', detail: 'it answers 404 with a page' }),
    ])
    server.close()
  })
})
