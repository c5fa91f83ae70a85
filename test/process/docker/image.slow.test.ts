import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freePort } from '#local/servers/free-port.ts'
import { readCompose } from '../../support/compose.ts'
import { type ImageFolder, jsonOf, makeImageFolder } from '../../support/image-folder.ts'
import { createTestDatabase, kafkaMissing, stackEnv, type TestDatabase, uniqueName } from '../../support/stack-env.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const run = promisify(execFile)
const { services } = readCompose('docker/compose.yaml')
const ours = Object.entries(services).filter(([, { image }]) => image === 'promostream')

/** docker/compose.yaml, done by hand from a folder with nothing but the image's files: only hosts and ports are replaced. */
withKafka('the image', () => {
  let image: ImageFolder
  let db: TestDatabase
  let login: string
  let replaced: Record<string, string>
  const ports: Record<string, number> = {}
  const children: ChildProcess[] = []
  const logs: Record<string, string> = {}

  beforeAll(async () => {
    image = makeImageFolder()
    db = await createTestDatabase({ migrated: false })
    login = mkdtempSync(join(tmpdir(), 'promostream-login-'))
    for (const name of ['money-api', 'listener', 'worker', 'worker-2', 'admin']) ports[name] = await freePort()
    const stack = stackEnv()
    const redis = new URL(stack.REDIS_URL!)
    redis.pathname = `/${Number(process.env.JEST_WORKER_ID) + 11}`
    const group = uniqueName('image').replaceAll('_', '-')
    replaced = {
      DATABASE_URL: db.url,
      REDIS_URL: redis.href,
      KAFKA_BROKERS: stack.KAFKA_BROKERS!,
      MONEY_API_URL: `http://127.0.0.1:${ports['money-api']}`,
      ADMIN_USERS_FILE: join(login, 'admin-users'),
      ADMIN_HOST: '127.0.0.1',
      LISTENER_PORT: String(ports.listener),
      WORKER_PORT: String(ports.worker),
      ADMIN_PORT: String(ports.admin),
    }
    // Of a cluster that others use too.
    shared = {
      KAFKA_GROUP_ID: group,
      REDIS_KEY_PREFIX: `${group}:`,
      ...Object.fromEntries(
        ['STARTED', 'VOUCHER', 'POINT', 'VOUCHER_RETRY', 'POINT_RETRY', 'INVALID', 'COMPLETED'].map(name => [
          `KAFKA_TOPIC_${name}`,
          `${group}-${name.toLowerCase().replace('_', '-')}`,
        ]),
      ),
    }
  }, 60_000)

  afterAll(async () => {
    for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    await db?.drop()
    rmSync(login, { recursive: true })
    rmSync(dirname(dirname(image.app)), { recursive: true })
  }, 60_000)

  let shared: Record<string, string> = {}

  function commandOf(name: string): { argv: string[]; env: Record<string, string> } {
    const { entrypoint = image.entrypoint, command = [], environment = {} } = services[name]!
    const swap = (argument: string) =>
      argument
        .replace('/var/lib/promostream', login)
        .replace('--host=0.0.0.0', '--host=127.0.0.1')
        .replace('--port=8080', `--port=${ports['money-api']}`)
    const own = Object.entries(environment).map(([variable, value]) => [variable, replaced[variable] ?? value])
    return {
      argv: [...entrypoint, ...command].slice(1).map(swap),
      env: { ...Object.fromEntries(own), ...shared, PATH: process.env.PATH!, NODE_ENV: 'production' },
    }
  }

  function start(name: string, extra: Record<string, string> = {}): ChildProcess {
    const { argv, env } = commandOf(name)
    const child = spawn(process.execPath, argv, { cwd: image.app, env: { ...env, ...extra }, stdio: 'pipe' })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', text => {
        logs[name] = (logs[name] ?? '') + text
      })
    children.push(child)
    return child
  }

  async function runOnce(name: string): Promise<string> {
    const { argv, env } = commandOf(name)
    const { stdout } = await run(process.execPath, argv, { cwd: image.app, env, timeout: 120_000 })
    return stdout
  }

  /** The service's own health check, at its port here. */
  async function isWell(name: string, port = ports[name]): Promise<boolean> {
    const [, , script = '', path = ''] = services[name]?.healthcheck?.test ?? []
    return run(process.execPath, [script, path, String(port)], { cwd: image.app }).then(
      () => true,
      () => false,
    )
  }

  async function untilWell(name: string, port?: number): Promise<void> {
    while (!(await isWell(name, port))) {
      if (children.some(({ exitCode }) => exitCode !== null && exitCode !== 0)) throw new Error(JSON.stringify(logs))
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }

  test.each(ours)('every path of %s is in it', (_name, { entrypoint, command = [], healthcheck }) => {
    const health = healthcheck?.test?.slice(1) ?? jsonOf(image.instructions, 'HEALTHCHECK --interval=10s')
    const named = [...(entrypoint ?? image.entrypoint), ...command, ...health].filter(word =>
      /\.(m?js|cjs|ts)$/.test(word),
    )
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(path => !existsSync(join(image.app, path)))).toEqual([])
  })

  test('nothing else is in it: no test, no secret, no log', () => {
    const inside = ['test', '.env', '.git', 'docker', 'examples', 'packages'].filter(name =>
      existsSync(join(image.app, name)),
    )
    expect(inside).toEqual([])
  })

  test('migrate waits for a PostgreSQL that takes no connections yet, for as long as it is told', async () => {
    const target = new URL(db.url)
    const port = await freePort()
    const away = new URL(db.url)
    away.port = String(port)
    const { argv, env } = commandOf('migrate')
    const migrate = (url: string, ...words: string[]) =>
      run(process.execPath, [...argv.slice(0, 3), ...words], { cwd: image.app, env: { ...env, DATABASE_URL: url } })
    await expect(migrate(away.href)).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/ECONNREFUSED/) })
    const waiting = spawn(process.execPath, argv, { cwd: image.app, env: { ...env, DATABASE_URL: away.href } })
    const [told] = (await once(waiting.stderr, 'data')) as [Buffer]
    expect(told.toString()).toMatch(/^promostream migrate: waiting: PostgreSQL \(DATABASE_URL\) does not answer/)
    const proxy = createServer(socket => {
      const upstream = connect(Number(target.port), target.hostname)
      for (const end of [socket, upstream]) end.on('error', () => undefined)
      socket.pipe(upstream).pipe(socket)
    }).listen(port, '127.0.0.1')
    const [code] = await once(waiting, 'exit')
    proxy.close()
    expect(code).toBe(0)
  }, 60_000)

  test('docker compose up pays 10,000 gifts on the first try, and the printed login is taken', async () => {
    const printed = await runOnce('login')
    // Made once a volume: the second start prints the same.
    expect(await runOnce('login')).toBe(printed)
    const [, user = '', password = ''] = /log in as (\S+) with (\S+)/.exec(printed) ?? []
    expect(statSync(join(login, 'admin-users')).mode & 0o077).toBe(0)
    start('money-api')
    await untilWell('money-api')
    expect(await runOnce('migrate')).toMatch(/up to date/)
    start('listener')
    start('worker')
    start('worker', { WORKER_PORT: String(ports['worker-2']) })
    start('admin')
    await Promise.all([
      untilWell('listener'),
      untilWell('worker'),
      untilWell('worker', ports['worker-2']),
      untilWell('admin'),
    ])
    expect(await runOnce('publish')).toContain('promotion 1 is COMPLETED: 10000 paid, 0 refused, 0 unknown')
    expect(await runOnce('publish')).toContain('promotion 1 is COMPLETED already')
    const url = `http://127.0.0.1:${ports.admin}`
    const summary = (await (await fetch(`${replaced.MONEY_API_URL}/ledger/summary`)).json()) as { charges: number }
    expect(summary.charges).toBe(10_000)
    const as = (name: string, secret: string) =>
      fetch(`${url}/metrics`, { headers: { authorization: `Basic ${btoa(`${name}:${secret}`)}` } })
    expect((await as(user, password)).status).toBe(200)
    const scraper = readFileSync(join(login, 'prometheus-password'), 'utf8').trim()
    expect((await as('prometheus', scraper)).status).toBe(200)
    expect((await as(user, `${password}x`)).status).toBe(401)
  }, 180_000)

  test('a health check says when a process is not well, and the image’s own asks the ports of all three', async () => {
    const health = ['health.mjs', '/health', String(await freePort()), String(ports.admin)]
    await expect(run(process.execPath, health, { cwd: image.app })).resolves.toBeDefined()
    await expect(run(process.execPath, health.slice(0, 3), { cwd: image.app })).rejects.toMatchObject({ code: 1 })
    await expect(
      run(process.execPath, ['health.mjs', '/nothing', String(ports.admin)], { cwd: image.app }),
    ).rejects.toBeDefined()
  })

  test('each process stops with 0 on SIGTERM, before Docker would kill it', async () => {
    for (const child of children.filter(({ spawnargs }) => spawnargs.some(argument => argument.startsWith('dist/')))) {
      child.kill('SIGTERM')
      const [code] = await once(child, 'exit')
      expect([child.spawnargs.at(-1), code]).toEqual([child.spawnargs.at(-1), 0])
    }
  }, 60_000)
})
