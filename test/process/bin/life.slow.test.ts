import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freePort } from '#local/servers/free-port.ts'
import { runProgram } from '#test/support/cli.ts'
import { createTestDatabase, kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

const run = (file: string, env: Record<string, string | undefined>, args: string[] = []) =>
  runProgram(`src/bin/${file}.ts`, env, args)

withKafka('the life of processes', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create()
  })
  afterAll(() => system.stop())

  async function running(count: number) {
    const promotionId = await system.promotion('VOUCHER', 'IN_PROGRESS', count)
    const first = uniqueId() * 10_000n
    const values = Array.from({ length: count }, (_, index) =>
      giftJson('VOUCHER', { promotionId, targetId: String(first + BigInt(index)), partitionKey: `k${index}` }),
    )
    return { promotionId, publish: () => system.publish('VOUCHER', values) }
  }

  test('SIGTERM in the middle of work: exit 0, nothing lost, nothing paid twice, nothing left pending', async () => {
    await system.control({ latencyMs: 100 })
    const listener = await system.start('listener')
    const worker = await system.start('worker')
    const { promotionId, publish } = await running(2000)
    const publishing = publish()
    await system.until('some paid', async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS > 50)
    await Promise.all([worker.stop(), listener.stop(), publishing])
    expect(await Promise.all([worker.ended, listener.ended])).toEqual([0, 0])
    const stream = `campaign-promotion-${promotionId}:voucher:stream`
    const [pending] = (await system.redis.xpending(stream, `campaign-promotion-${promotionId}-voucher-group`)) as [
      number,
    ]
    expect(pending).toBe(0)
    await system.control({ latencyMs: 5 })
    await Promise.all([system.start('listener'), system.start('worker')])
    await system.until('all paid', async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === 2000)
    expect(await system.charges(promotionId)).toHaveLength(2000)
  })

  test('SIGKILL of a worker: what it had leased is paid by another, once', async () => {
    await system.control({ latencyMs: 100 })
    const doomed = await system.start('worker')
    const { promotionId, publish } = await running(1000)
    await publish()
    await system.until('some paid', async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS > 50)
    process.kill(doomed.pid, 'SIGKILL')
    await system.control({ latencyMs: 5 })
    await system.until('all paid', async () => (await system.countByStatus(promotionId, 'VOUCHER')).SUCCESS === 1000)
    expect(await system.charges(promotionId)).toHaveLength(1000)
  })

  test('a wrong setting is one line naming it, and exit 1, before anything connects', async () => {
    for (const file of ['listener', 'worker', 'admin', 'migrate']) {
      const { code, stderr } = await run(file, { ...system.env, DATABASE_URL: undefined })
      expect([file, code, stderr.trim()]).toEqual([file, 1, `promostream ${file}: DATABASE_URL is not set`])
    }
  })

  test('a database behind its migrations is one line, and exit 1', async () => {
    const behind = await createTestDatabase({ migrated: false })
    for (const file of ['listener', 'worker', 'admin']) {
      const { code, stdout } = await run(file, {
        ...system.env,
        DATABASE_URL: behind.url,
        LISTENER_PORT: '0',
        WORKER_PORT: '0',
        ADMIN_PORT: '0',
      })
      expect([file, code]).toEqual([file, 1])
      expect(stdout).toMatch(/the database is \d+ migration\(s\) behind: run «npm run migrate»/)
    }
    expect(await run('migrate', { ...system.env, DATABASE_URL: behind.url })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('ran '),
    })
    expect(await run('migrate', { ...system.env, DATABASE_URL: behind.url })).toMatchObject({
      code: 0,
      stdout: 'the database is up to date\n',
    })
    await behind.drop()
  })

  test.each([
    ['DATABASE_URL', 'postgres://user:canary-secret@127.0.0.1:1/x', 'PostgreSQL (DATABASE_URL) does not answer'],
    ['REDIS_STREAM_URL', 'redis://:canary-secret@127.0.0.1:1', 'Redis (REDIS_STREAM_URL) does not answer'],
    ['KAFKA_BROKERS', '127.0.0.1:1', 'Kafka'],
  ])('a missing server (%s) is a clear line without secrets, and exit 1', async (name, value, message) => {
    const { code, stdout, stderr } = await run('worker', { ...system.env, [name]: value, WORKER_PORT: '0' })
    expect(code).toBe(1)
    const fatal = stdout.split('\n').find(line => line.includes('"level":60'))
    expect(fatal).toContain(message)
    expect(stdout + stderr).not.toContain('canary-secret')
  })

  test('SIGTERM while a server that is away keeps the start waiting: exit 0', async () => {
    const env = {
      ...system.env,
      REDIS_URL: 'redis://127.0.0.1:1',
      REDIS_STREAM_URL: system.env.REDIS_URL,
      WORKER_PORT: '0',
    }
    const child = spawn(process.execPath, ['src/bin/worker.ts'], {
      env: { ...env, LOG_LEVEL: 'debug' } as NodeJS.ProcessEnv,
    })
    const waiting = Promise.withResolvers<void>()
    child.stdout.on('data', chunk => {
      // Redis is next, and is waited for.
      if (/"service":"(probe-server|kafka-probe|broker-probe|database)"/.test(String(chunk))) waiting.resolve()
    })
    const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
    await waiting.promise
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  test('SIGTERM to npm reaches the process that it runs: it stops cleanly, and npm says so', async () => {
    const port = await freePort()
    const env = { ...system.env, WORKER_PORT: String(port) } as NodeJS.ProcessEnv
    const npm = spawn('npm', ['run', '--silent', 'start:worker'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
    let log = ''
    npm.stdout.on('data', chunk => {
      log += chunk
    })
    const ended = new Promise<number | null>(resolve => npm.once('exit', resolve))
    await system.until('started', async () => log.includes('"msg":"started"'))
    npm.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(log).toContain('"exitCode":0')
  })

  test('the CLI creates, starts and shows; what it cannot do is one line and an exit code', async () => {
    const id = String(uniqueId())
    const cli = (...args: string[]) => run('cli', system.env, args)
    expect(await cli('create', '--id', id, '--type', 'VOUCHER', '--total', '5')).toMatchObject({
      code: 0,
      stdout: `promotion ${id} is READY\n`,
    })
    expect(await cli('create', '--id', id, '--type', 'VOUCHER')).toMatchObject({
      code: 1,
      stderr: `promostream: promotion ${id} exists already\n`,
    })
    expect(await cli('create', '--id', '0', '--type', 'VOUCHER')).toMatchObject({ code: 2 })
    expect(JSON.parse((await cli('start', id, '--json')).stdout)).toEqual({ id, status: 'IN_PROGRESS', changed: true })
    const status = JSON.parse((await cli('status', id, '--json')).stdout)
    expect(status).toMatchObject({ id, status: 'IN_PROGRESS', totalCount: 5, rows: 0 })
    expect(await cli('start', '404')).toMatchObject({ code: 1, stderr: 'promostream: promotion 404 does not exist\n' })
  })
})

withKafka('REDIS_STREAM_ENABLED=false', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({ REDIS_STREAM_ENABLED: 'false' })
    await Promise.all([system.start('listener'), system.start('worker')])
  })
  afterAll(() => system.stop())

  test('the listener pays by itself: no stream, the same rows and charges', async () => {
    const promotionId = await system.promotion('POINT', 'IN_PROGRESS')
    const first = uniqueId() * 10_000n
    const values = Array.from({ length: 50 }, (_, index) =>
      giftJson('POINT', { promotionId, targetId: String(first + BigInt(index)) }),
    )
    await system.publish('POINT', values)
    await system.until('50 SUCCESS', async () => (await system.countByStatus(promotionId, 'POINT')).SUCCESS === 50)
    expect(await system.charges(promotionId)).toHaveLength(50)
    expect(await system.redis.xlen(`campaign-promotion-${promotionId}:point:stream`)).toBe(0)
  })

  test('the started listener does not exist: a started event starts nothing', async () => {
    const groups = await system.kafka.admin()
    await groups.connect()
    const names = (await groups.listGroups()).groups.map(({ groupId }) => groupId)
    await groups.disconnect()
    expect(names.filter(name => name.startsWith(`${system.env.KAFKA_GROUP_ID}-started-`))).toEqual([])
  })
})
