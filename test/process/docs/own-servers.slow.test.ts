import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { commandsOf, type RunningShell, shellBlock } from '../../support/doc-shell.ts'
import { OwnServers } from '../../support/own-servers.ts'
import { LEAST_ACL } from '../../support/redis-flavours.ts'
import { kafkaMissing } from '../../support/stack-env.ts'
import { startTraceCollector } from '../../support/trace-collector.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const PASSWORD = 'a word that nobody guesses'
const STEPS = ['README.md', 'docs/ko/README.md']

const textOf = (page: string) => readFileSync(page, 'utf8')

/** The first command of a page that begins so. */
const command = (page: string, start: string) => commandsOf(page, start)[0]!

/** Until it is so, for a minute at most; where it is a shell's doing, that one has failed when it ends before. */
async function until(isSo: () => Promise<boolean> | boolean, shell?: RunningShell): Promise<void> {
  let failure: Error | undefined
  void shell?.ended.then(({ code, said }) => {
    failure = new Error(`ended with ${code}: ${said}`)
  })
  const deadlineMs = Date.now() + 60_000
  while (!(await isSo())) {
    if (failure !== undefined) throw failure
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${isSo} ${shell?.said()}`)
    await sleep(100)
  }
}

async function isReady(port: string): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/ready`).then(
    ({ status }) => status === 200,
    () => false,
  )
}

/** The commands of the docs, in the order in which a reader comes to them, with addresses and ports of this machine. */
withKafka('with your own servers', () => {
  let own: OwnServers
  let [listenerPort, workerPort, secondPort, adminPort] = ['', '', '', '']
  let env: Record<string, string> = {}

  beforeAll(async () => {
    own = await OwnServers.start()
    ;[listenerPort = '', workerPort = '', secondPort = '', adminPort = ''] = await own.ports(4)
  }, 120_000)
  afterAll(() => own[Symbol.asyncDispose]())

  const ask = async (query: string) => (await own.run(`psql -Atqc "${query}" promostream`)).stdout.trim()

  async function ok(script: string, options: Parameters<OwnServers['run']>[1] = {}): Promise<string> {
    const { code, said } = await own.run(script, options)
    if (code !== 0) throw new Error(`«${script}» ended with ${code}: ${said}`)
    return said
  }

  test('createuser and createdb make a user with a password, and a database that it owns', async () => {
    const [commands, korean] = STEPS.map(page => [command(page, 'createuser'), command(page, 'createdb')])
    expect(korean).toEqual(commands)
    await ok(commands!.join('\n'), { input: 'secret\nsecret\n' })
    expect(
      await ask(`select rolcanlogin, rolsuper, rolcreatedb, rolpassword like 'SCRAM%' from pg_authid
      where rolname = 'promostream'`),
    ).toBe('t|f|f|t')
    expect(await ask(`select datdba::regrole from pg_database where datname = 'promostream'`)).toBe('promostream')
    // docs/migrations.md asks for the same database.
    expect((await own.run(command('docs/migrations.md', 'createdb'))).said).toContain('"promostream" already exists')
  })

  test('a simulator and a Kafka take the place of those that are still missing', async () => {
    const start = command('README.md', 'npm run stack -- --only money')
    const others = command('README.md', '--only kafka,money')
    const stack = own.open(start.replace('--only money', others))
    await until(() => stack.said().includes('Ready.'), stack)
    env = Object.fromEntries([...stack.said().matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]))
    expect(Object.keys(env).sort()).toEqual(['KAFKA_BROKERS', 'MONEY_API_TOKEN', 'MONEY_API_URL'])
  }, 90_000)

  test('.env.example filled in is enough for the migration, and for a doctor who finds nothing', async () => {
    env = {
      ...env,
      DATABASE_URL: `postgres://promostream:secret@${own.postgresAddress}/promostream`,
      REDIS_URL: own.redisUrl,
      LISTENER_PORT: listenerPort,
      WORKER_PORT: workerPort,
      ADMIN_PORT: adminPort,
    }
    own.writeEnv(env)
    await ok(command('README.md', 'npm run migrate'))
    await ok(command('README.md', 'npm run promostream -- doctor'))
  }, 60_000)

  test('the README’s processes start, each in a terminal of its own, and a login is made by hash-password', async () => {
    const lines = shellBlock('README.md', 'npm run start:listener').trim().split('\n')
    expect(lines.map(line => /(start:\w+|hash-password)/.exec(line)?.[0])).toEqual([
      'start:listener',
      'start:worker',
      'start:worker',
      'hash-password',
      'start:admin',
    ])
    const [listener = '', worker = '', second = '', hash = '', admin = ''] = lines
    const { stdout } = await own.run(`PASSWORD='${PASSWORD}'\n${hash}`)
    own.writeEnv({ ...env, ADMIN_USERS: `otto:operator:${stdout.trim()}` })
    const opened = [
      [listener, listenerPort],
      [worker, workerPort],
      [second.replace('3012', secondPort), secondPort],
      [admin, adminPort],
    ] as const
    await Promise.all(opened.map(([line, port]) => until(() => isReady(port), own.open(line))))
    const authorization = `Basic ${Buffer.from(`otto:${PASSWORD}`).toString('base64')}`
    const pages = await fetch(`http://127.0.0.1:${adminPort}/api/promotions`, { headers: { authorization } })
    expect(pages.status).toBe(200)
  }, 90_000)

  test('a worker that traces runs as tracing.md starts it', async () => {
    const [port = ''] = await own.ports(1)
    const collector = await startTraceCollector()
    const block = shellBlock('docs/tracing.md', 'bin/tracing.ts').replace('http://127.0.0.1:4318', collector.url)
    const worker = own.open(`export WORKER_PORT=${port}\n${block}`)
    await until(() => isReady(port), worker)
    expect(await worker.stop()).toMatchObject({ code: 0 })
    collector.close()
  }, 60_000)

  test('the first promotion is paid, the runbook’s first look and every audit of audit.md find nothing wrong', async () => {
    await ok(shellBlock('README.md', 'promostream -- create').replace(/^.*-- audit .*$/m, ''))
    await until(async () => (await ok('promostream status 42')).includes('COMPLETED'))
    const rows = `select 'VOUCHER:' || voucher_target_id, money_key, amount from campaign_promotion_voucher_result`
    writeFileSync(
      join(own.folder, 'charges.csv'),
      `key,transactionKey,amount\n${(await ask(rows)).replaceAll('|', ',')}\n`,
    )
    const said = await ok(shellBlock('docs/audit.md', '--settlement'))
    expect(said.match(/3 messages, 3 rows/g)).toHaveLength(4)
    expect(said.match(/3 charged once, 0 missing, 0 double/g)).toHaveLength(2)
    const look = shellBlock('docs/runbook.md', 'promostream doctor')
    expect(await ok(look)).toContain('COMPLETED')
    expect(shellBlock('docs/ko/runbook.md', 'promostream doctor')).toBe(look)
  }, 180_000)

  test('redis-cli shows the groups of a stream as the runbook asks it to', async () => {
    await ok('promostream create --id 42000 --type VOUCHER --name Later --total 1\npromostream start 42000')
    const question = command('docs/runbook.md', 'XINFO').replace('promotion-42:', 'promotion-42000:')
    const groups = async () => (await own.run(`redis-cli ${question}`)).said
    await until(async () => (await groups()).includes('campaign-promotion-42000-voucher-group'))
  }, 60_000)

  test('the rights that go into psql and redis-cli are taken whole, by the tables’ owner', async () => {
    const [postgres = '', redis = ''] = commandsOf('docs/operations.md', 'promostream rights ')
    await ok('createuser pays')
    const granted = await ok(postgres, { user: 'promostream' })
    expect(
      granted
        .trim()
        .split('\n')
        .every(line => line === 'GRANT'),
    ).toBe(true)
    expect(
      await ask(`select has_table_privilege('pays', 'campaign_promotion', 'update'),
      has_table_privilege('pays', 'campaign_promotion', 'delete')`),
    ).toBe('t|f')

    expect((await ok(redis)).trim()).toBe('OK')
    const password = command('docs/operations.md', 'ACL SETUSER pays')
    expect((await ok('redis-cli', { input: password })).trim()).toBe('OK')
    expect(await ok(`redis-cli --user pays --pass … --no-auth-warning get promostream:owner`)).not.toMatch(
      /WRONGPASS|NOPERM/,
    )
    expect(await ok(`redis-cli --user pays --pass … --no-auth-warning get other`)).toContain('NOPERM')
  })

  test('the user of stream.md is made by redis-cli as it stands there', async () => {
    const [, line = ''] = /^```\n(ACL SETUSER .*)\n```$/m.exec(textOf('docs/stream.md')) ?? []
    expect(line).toBe(`ACL SETUSER streams on >secret ${LEAST_ACL}`)
    expect((await ok('redis-cli', { input: line })).trim()).toBe('OK')
  })

  test('SIGTERM ends all of them cleanly; then migrations are taken back as migrations.md says, and made again', async () => {
    for (const { code, said } of await own.stopShells()) expect({ code, said }).toEqual({ code: 0, said })
    const [, back = ''] = /^(npm run migrate -- --rollback-to .*)$/m.exec(textOf('docs/migrations.md')) ?? []
    const [, name = ''] = /--rollback-to (.*)$/.exec(back) ?? []
    const last = 'select name from mikro_orm_migrations order by id desc limit 1'
    await ok(back)
    expect(await ask(last)).toContain(name)
    await ok(command('README.md', 'npm run migrate'))
    expect(await ask(last)).not.toContain(name)
  }, 60_000)
})
