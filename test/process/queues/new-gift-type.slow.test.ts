import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { sql } from 'kysely'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { applyStep, copySources, readRecipe } from '#test/support/recipe.ts'
import { kafkaMissing, uniqueId, uniqueName } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

// The compiler and five processes, on a machine that may be busy.
jest.setTimeout(300_000)

const withKafka = kafkaMissing === undefined ? describe : describe.skip

const COUPONS = 500
const steps = readRecipe('docs/new-gift-type.md')

/** A gift type that this process does not know: what the recipe makes of a copy of the sources, seen from outside. */
withKafka('docs/new-gift-type.md, done to a copy of the sources', () => {
  let folder: string
  let system: TestSystem
  let money: ChildProcess
  let admin: AdminClient
  let workerUrl: string
  const promotionId = String(uniqueId())
  const targets = targetsOf(COUPONS)

  const compile = () => {
    const { status, stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '--noEmit'], {
      cwd: folder,
      encoding: 'utf8',
    })
    return {
      status,
      stdout,
      files: [...new Set([...stdout.matchAll(/^(\S+?)\(\d+,\d+\): error/gm)].map(([, file]) => file))],
    }
  }
  const program = (path: string, ...args: string[]) =>
    spawnSync(process.execPath, ['--disable-warning=TimeoutNegativeWarning', join(folder, path), ...args], {
      env: system.env,
      encoding: 'utf8',
    })
  const cli = (...args: string[]) => {
    const { status, stdout, stderr } = program('src/bin/cli.ts', ...args)
    return { code: status, stderr, answer: JSON.parse(stdout || '{}') as Record<string, unknown> }
  }
  const states = async () => {
    const { rows } = await sql<{ status: string; count: number }>`
      select process_status as status, count(*)::int as count from campaign_promotion_coupon_result
      where promotion_id = ${promotionId}::bigint group by process_status`.execute(system.kysely)
    return Object.fromEntries(rows.map(({ status, count }) => [status, count])) as Record<string, number>
  }
  const unknownOnes = async () => {
    const { rows } = await sql<{ targetId: string }>`
      select coupon_target_id as "targetId" from campaign_promotion_coupon_result
      where promotion_id = ${promotionId}::bigint and process_status = 'UNKNOWN' order by id`.execute(system.kysely)
    return rows.map(({ targetId }) => targetId)
  }
  const control = (settings: object) =>
    fetch(`${system.env.MONEY_API_URL}/control`, { method: 'PUT', body: JSON.stringify(settings) })

  beforeAll(() => {
    folder = copySources()
  })
  afterAll(async () => {
    await system?.stop()
    money?.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  test('touches six places at most, one of them a migration', () => {
    const [fresh, changed] = [steps.filter(({ isNew }) => isNew), steps.filter(({ isNew }) => !isNew)]
    expect(fresh.map(({ file }) => file)).toEqual([expect.stringMatching(/^src\/database\/schema\/migrations\//)])
    expect(new Set(changed.map(({ file }) => file)).size).toBeLessThanOrEqual(5)
  })

  test('the table alone: the type checker names what is missing', () => {
    const [table, ...others] = steps
    applyStep(folder, table!)
    const { files } = compile()
    expect(files.sort()).toEqual(['src/listeners/campaign-listeners.ts', 'src/promotion/payment/processors.ts'])
    for (const step of others) applyStep(folder, step)
    expect(compile()).toMatchObject({ status: 0, stdout: '' })
  })

  test('the migration brings a database up, on which all types have the same columns, indexes and triggers', async () => {
    const run = uniqueName('coupons').replaceAll('_', '-')
    money = spawn(process.execPath, [
      ...[join(folder, 'src/local/money-api/money-simulator-server.ts'), '--port', '0', '--token', 'test-token'],
      ...['--settings', JSON.stringify({ latencyMs: 5, faultPercent: 40, faults: ['error-503', 'reset-after'] })],
    ])
    const port = await new Promise<string>(done => {
      money.stdout?.on('data', text => {
        const [, found] = /:(\d+)\n/.exec(String(text)) ?? []
        if (found !== undefined) done(found)
      })
    })
    system = await TestSystem.create({
      MONEY_API_URL: `http://127.0.0.1:${port}`,
      KAFKA_TOPIC_COUPON: run,
      KAFKA_TOPIC_COUPON_RETRY: `${run}-retry`,
      COMPLETION_QUIET_MS: '500',
      RETRY_MAX_ATTEMPTS: '2',
      ADMIN_USERS: adminUsers(),
    })
    expect(program('src/bin/migrate.ts')).toMatchObject({ status: 0 })
    const shapeOf = async (kind: string) => {
      const { rows } = await sql<{ what: string }>`
        select column_name || ' ' || data_type || ' ' || coalesce(column_default, '') as what
          from information_schema.columns where table_name = ${`campaign_promotion_${kind}_result`}
        union all select indexdef from pg_indexes where tablename = ${`campaign_promotion_${kind}_result`}
        union all select pg_get_triggerdef(oid) from pg_trigger
          where tgrelid = ${`campaign_promotion_${kind}_result`}::regclass and not tgisinternal
        union all select array_to_string(reloptions, ',') from pg_class
          where oid = ${`campaign_promotion_${kind}_result`}::regclass`.execute(system.kysely)
      // Names that PostgreSQL gave by itself are no shape.
      const shape = rows.map(({ what }) => what.replace(/INDEX \S+/, 'INDEX').replaceAll(kind, '…'))
      return shape.map(what => what.replaceAll(kind.toUpperCase(), '…').replace(/\s+/g, ' ')).sort()
    }
    expect(await shapeOf('coupon')).toEqual(await shapeOf('point'))
  })

  test('the commands make a promotion of coupons and publish them', async () => {
    const total = ['--total', String(COUPONS), '--max-amount', String(COUPONS * 100)]
    const made = cli('create', '--id', promotionId, '--type', 'COUPON', ...total, '--json')
    expect(made).toMatchObject({ code: 0, answer: { type: 'COUPON' } })
    const file = join(mkdtempSync(join(tmpdir(), 'promostream-coupons-')), 'coupons.csv')
    const rows = targets.map(targetId => `${targetId},7,100`)
    writeFileSync(file, ['couponTargetId,memberId,amount', ...rows].join('\n'))
    const args = ['--file', file, '--type', 'COUPON', '--promotion', promotionId, '--summary', promotionId]
    expect(cli('publish', ...args, '--json')).toMatchObject({ code: 0, answer: { published: COUPONS } })
  })

  test('they are paid and tried again; the promotion completes although some are UNKNOWN, and says so', async () => {
    for (const kind of ['listener', 'worker', 'admin'] as const) {
      const child = await system.start(kind, {}, join(folder, `src/bin/${kind}.ts`))
      if (kind === 'admin') admin = new AdminClient(child)
      if (kind === 'worker') workerUrl = child.url
    }
    expect(cli('start', promotionId, '--json')).toMatchObject({ code: 0, answer: { status: 'IN_PROGRESS' } })
    const completed = await system.until(
      'the completed event',
      async () => (await system.records('COMPLETED')).find(record => record.promotionId === promotionId),
      120_000,
    )
    const { SUCCESS, UNKNOWN, ...others } = await states()
    expect(others).toEqual({})
    expect([SUCCESS! + UNKNOWN!, UNKNOWN! > 0]).toEqual([COUPONS, true])
    expect(completed).toMatchObject({ type: 'COUPON', totalCount: COUPONS, success: SUCCESS, unknown: UNKNOWN })
    expect(await system.redis.exists(`campaign-promotion-${promotionId}:coupon:stream`)).toBe(0)
  })

  test('UNKNOWN ones stay on their list, and what was charged after all is found', async () => {
    await control({ faultPercent: 0 })
    const unknown = await unknownOnes()
    const [late] = unknown
    const body = { type: 'COUPON', promotionId, targetId: late, memberId: '7', amount: '100' }
    await fetch(`${system.env.MONEY_API_URL}/v1/campaign-charges`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-token', 'idempotency-key': `COUPON:${late}` },
      body: JSON.stringify(body),
    })
    await system.until('the late one to be SUCCESS', async () => !(await unknownOnes()).includes(late!), 60_000)
    const { rows } = await sql<{ targetId: string }>`
      select target_id as "targetId" from campaign_promotion_unknown_check where type = 'COUPON'
      order by target_id`.execute(system.kysely)
    expect(rows.map(({ targetId }) => targetId).sort()).toEqual(unknown.slice(1).sort())
  })

  test('the rest is retried by a person, and each coupon has been charged once', async () => {
    const { UNKNOWN } = await states()
    expect(cli('retry', promotionId, '--json')).toMatchObject({ code: 0, answer: { retried: UNKNOWN } })
    await system.until('all to be SUCCESS', async () => (await states()).SUCCESS === COUPONS, 60_000)
    const charges = await (await fetch(`${system.env.MONEY_API_URL}/ledger/charges?promotionId=${promotionId}`)).text()
    const keys = charges
      .split('\n')
      .filter(Boolean)
      .map(line => (JSON.parse(line) as { key: string }).key)
    expect(keys.sort()).toEqual(targets.map(target => `COUPON:${target}`).sort())
  })

  test('the audit accounts for them, down to the charges', async () => {
    const report = cli('audit', promotionId, '--charges', 'api', '--json')
    const all = { messages: COUPONS, rows: COUPONS, chargedOnce: COUPONS, double: 0 }
    expect(report).toMatchObject({ code: 0, answer: { ok: true, ...all } })
  })

  test('the admin shows them: API, pages, metrics', async () => {
    const ask = admin.as('vera')
    expect((await ask(`/api/promotions/${promotionId}`)).json).toMatchObject({ type: 'COUPON', status: 'COMPLETED' })
    expect((await ask(`/api/gifts/COUPON/${targets[0]}`)).json).toMatchObject({
      gift: { type: 'COUPON', processStatus: 'SUCCESS' },
    })
    for (const path of [`/promotions/${promotionId}`, `/gifts/COUPON/${targets[0]}`])
      expect(await ask(path)).toMatchObject({ status: 200, text: expect.stringContaining('COUPON') })
    expect((await admin.as('otto')('/')).text).toContain('<option value="COUPON">COUPON</option>')
    const metrics = await (await fetch(`${workerUrl}/metrics`)).text()
    expect(metrics).toMatch(/^promostream_transitions_total\{type="COUPON",status="SUCCESS"/m)
    expect(metrics).toContain('promostream_money_conflict_total{type="COUPON",process="worker"} 0')
  })
})
