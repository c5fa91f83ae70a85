import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { MikroORM } from '@mikro-orm/postgresql'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import { type Stack, type StackOptions, startStack } from '#local/embedded-stack.ts'
import { isAlive, processesIn } from './processes.ts'
import { kafkaHere } from './requirements.ts'

let stack: Stack | undefined
const printed: string[] = []

async function start(options: Partial<StackOptions>): Promise<Stack> {
  printed.length = 0
  stack = await startStack({ env: process.env, onProgress: line => printed.push(line), ...options })
  return stack
}

afterEach(() => stack?.close())

const pidOf = (name: keyof Stack['servers']) => stack?.servers[name]?.pid ?? 0

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const clientUrl = stack?.env.DATABASE_URL ?? ''
  const orm = await MikroORM.init({ clientUrl, entities: [], discovery: { warnWhenNoEntities: false } })
  try {
    return await orm.em.getConnection().execute(sql)
  } finally {
    await orm.close(true)
  }
}

async function redis<T>(use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(stack?.env.REDIS_URL ?? '')
  try {
    return await use(client)
  } finally {
    client.disconnect()
  }
}

describe('each server is started for us alone, stopped, and leaves nothing', () => {
  test('PostgreSQL: durable, loopback only, the same data and port after a crash', async () => {
    const { folder, env, servers } = await start({ servers: ['postgres'] })
    expect(new URL(env.DATABASE_URL ?? '')).toMatchObject({ hostname: '127.0.0.1', pathname: '/promostream' })
    const settings = await query("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')")
    expect(settings.map(({ setting }) => setting)).toEqual(['on', 'on'])
    await query('CREATE TABLE kept AS SELECT 42 AS answer')
    servers.postgres?.signal('SIGKILL')
    await servers.postgres?.gone()
    expect(await servers.postgres?.start()).toEqual({ DATABASE_URL: env.DATABASE_URL })
    expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    await stack?.close()
    expect(existsSync(folder)).toBe(false)
    expect(processesIn(folder)).toEqual([])
  })

  test('Redis: append-only file, no eviction, the same data and port after a crash', async () => {
    const { folder, env, servers } = await start({ servers: ['redis'] })
    expect(env.REDIS_STREAM_URL).toBe(env.REDIS_URL)
    const settings = await redis(client =>
      client.config('GET', 'appendonly', 'appendfsync', 'maxmemory-policy', 'save'),
    )
    expect((settings as string[]).join(' ')).toContain('everysec')
    expect((settings as string[]).join(' ')).toContain('noeviction')
    await redis(client => client.set('kept', '42'))
    const pid = pidOf('redis')
    servers.redis?.signal('SIGKILL')
    await servers.redis?.gone()
    expect(await servers.redis?.start()).toMatchObject({ REDIS_URL: env.REDIS_URL })
    expect(await redis(client => client.get('kept'))).toBe('42')
    expect(pidOf('redis')).not.toBe(pid)
    await stack?.close()
    expect(existsSync(folder)).toBe(false)
  })

  const kafkaTest = kafkaHere() ? test : test.skip
  kafkaTest('Kafka: a real broker, which makes no topics by itself', async () => {
    const { folder, env, kafka } = await start({ servers: ['kafka'] })
    expect(kafka).toBe('apache')
    const client = new Kafka({ brokers: [env.KAFKA_BROKERS ?? ''], logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    expect(await admin.createTopics({ topics: [{ topic: 'gifts', numPartitions: 3 }], waitForLeaders: true })).toBe(
      true,
    )
    expect(await admin.listTopics()).toEqual(['gifts'])
    await admin.disconnect()
    await stack?.close()
    expect(existsSync(folder)).toBe(false)
    expect(processesIn(folder)).toEqual([])
  })

  test('Money API simulator: as it was told, its charges survive its own crash', async () => {
    const { folder, env, servers } = await start({ servers: ['money'], money: { latencyMs: 3, faultPercent: 0 } })
    const headers = { authorization: `Bearer ${env.MONEY_API_TOKEN}`, 'idempotency-key': 'VOUCHER:7' }
    const body = JSON.stringify({ type: 'VOUCHER', promotionId: '1', targetId: '7', memberId: '1', amount: '5' })
    const post = () => fetch(`${env.MONEY_API_URL}/v1/campaign-charges`, { method: 'POST', headers, body })
    const first = await (await post()).json()
    servers.money?.signal('SIGKILL')
    await servers.money?.gone()
    await servers.money?.start()
    expect(await (await post()).json()).toEqual(first)
    expect(await (await fetch(`${env.MONEY_API_URL}/control`)).json()).toMatchObject({ latencyMs: 3 })
    await stack?.close()
    expect(existsSync(folder)).toBe(false)
  })
})

test('two stacks at once have nothing in common', async () => {
  const one = await start({ servers: ['redis', 'money'] })
  const other = await startStack({ env: process.env, servers: ['redis', 'money'], onProgress: () => undefined })
  try {
    expect(other.env.REDIS_URL).not.toBe(one.env.REDIS_URL)
    expect(other.folder).not.toBe(one.folder)
  } finally {
    await other.close()
  }
  expect(await redis(client => client.ping())).toBe('PONG')
})

test('servers that the environment names are used as they are, and none is started', async () => {
  const env = {
    DATABASE_URL: 'postgres://db.example/x',
    REDIS_URL: 'redis://cache.example',
    KAFKA_BROKERS: 'k1.example:9092,k2.example:9092',
    MONEY_API_URL: 'https://money.example',
    MONEY_API_TOKEN: 'theirs',
  }
  const given = await start({ env: { ...env, PATH: '' } })
  expect(given.env).toEqual({ ...env, REDIS_STREAM_URL: env.REDIS_URL })
  expect(given).toMatchObject({ kafka: 'given', servers: {} })
})

test('the other servers are private when one is named', async () => {
  const named = await start({
    env: { ...process.env, REDIS_URL: 'redis://cache.example' },
    servers: ['redis', 'money'],
  })
  expect(named.env.REDIS_URL).toBe('redis://cache.example')
  expect(Object.keys(named.servers)).toEqual(['money'])
})

test('a server that ends by itself is told', async () => {
  await start({ servers: ['redis'] })
  process.kill(pidOf('redis'), 'SIGKILL')
  await stack?.servers.redis?.gone()
  await new Promise(setImmediate)
  expect(printed.at(-1)).toMatch(/^Redis \(pid \d+\) has ended; its log: .*redis\.log$/)
})

test('close may be called twice, and stops a frozen server too', async () => {
  await start({ servers: ['redis'] })
  const pid = pidOf('redis')
  process.kill(pid, 'SIGSTOP')
  await Promise.all([stack?.close(), stack?.close()])
  expect(isAlive(pid)).toBe(false)
})

describe('what is missing is one line that says what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'path-'))
  symlinkSync(process.execPath, join(folder, 'node'))
  const env = { PATH: folder, HOME: folder, TMPDIR: folder }
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('with an empty PATH: Redis and Kafka are missing, and nothing of them stays', async () => {
    const redisMissing = start({ env, servers: ['money', 'redis'] })
    await expect(redisMissing).rejects.toMatchObject({
      code: 'REDIS_MISSING',
      message: expect.stringMatching(/^no Redis: [^\n]*install redis-server or valkey-server, or set REDIS_URL$/),
    })
    await expect(start({ env, servers: ['kafka'] })).rejects.toMatchObject({
      code: 'KAFKA_MISSING',
      message: 'no Kafka: install Java 17 or newer, or set KAFKA_BROKERS',
    })
    await expect(start({ env, servers: ['kafka'], allowMockKafka: true })).rejects.toMatchObject({
      code: 'KAFKA_MISSING',
      message: expect.stringContaining('kcat'),
    })
    expect(processesIn(folder)).toEqual([])
  })
})

test('a wait is never silent for more than 2 s', async () => {
  const { Progress } = await import('#local/servers/progress.ts')
  const atMs: number[] = [performance.now()]
  const progress = new Progress(() => atMs.push(performance.now()))
  await progress.step('Waiting', () => new Promise(resolve => setTimeout(resolve, 2300)))
  const gaps = atMs.slice(1).map((at, index) => at - (atMs[index] ?? 0))
  expect(atMs.length).toBeGreaterThanOrEqual(3)
  expect(Math.max(...gaps)).toBeLessThan(2000)
})

test('a stack is only on loopback', async () => {
  const { env } = await start({ servers: ['redis'] })
  const outside = Object.values((await import('node:os')).networkInterfaces())
    .flat()
    .find(address => address?.family === 'IPv4' && !address.internal)?.address
  const refused = new Promise(resolve => {
    const socket = connect({ host: outside ?? '127.0.0.2', port: Number(new URL(env.REDIS_URL ?? '').port) })
    socket.once('error', () => resolve(true)).once('connect', () => resolve(socket.destroy() && false))
  })
  expect(await refused).toBe(true)
})
