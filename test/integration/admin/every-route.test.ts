import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { RouteOptions } from 'fastify'
import { sql } from 'kysely'
import { request } from 'undici'
import { assembleAdmin } from '#bin/admin-assembly.ts'
import { loadConfig } from '#config/load.ts'
import { adminSchema } from '#config/schemas.ts'
import type { Child } from '#local/demo/children.ts'
import { createLogger } from '#runtime/logger.ts'
import { AdminClient, adminUsers, PASSWORDS } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** The only ones that answer to nobody in particular. */
const OPEN = new Set([
  'GET /health',
  'GET /ready',
  'GET /login',
  'POST /login',
  'GET /login/language',
  'GET /login/style.css',
  'GET /login/icon.svg',
])
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const CANARIES = {
  ADMIN_HOOK_SECRET: 'canary-hook-secret-7f3a',
  MONEY_API_TOKEN: 'canary-money-token-7f3a',
}

/** What an attacker tries, on each of them. */
withKafka('every route that Fastify has', () => {
  let system: TestSystem
  let child: Child
  let client: AdminClient
  let promotionId: string
  const routes: { method: string; url: string }[] = []

  beforeAll(async () => {
    system = await TestSystem.create()
    const env = { ...system.env, ...CANARIES, ADMIN_USERS: adminUsers(), LOG_LEVEL: 'trace' }
    const services = await assembleAdmin(loadConfig(adminSchema, { ...env, ADMIN_PORT: '0' }), {
      logger: createLogger('test', 'silent'),
      assertStarted: () => undefined,
      fatal: () => undefined,
      onRoute: ({ method, url }: RouteOptions) => {
        for (const one of [method].flat()) routes.push({ method: one, url })
      },
    })
    // Whatever fails, nothing is left running: the run would never end.
    try {
      for (const service of services) await service.start()
    } finally {
      for (const service of services.toReversed()) await service.stop()
    }
    child = await system.start('admin', env)
    client = new AdminClient(child)
    promotionId = await system.promotion('VOUCHER', 'READY', 5)
  }, 60_000)
  afterAll(() => system.stop())

  const pathOf = (url: string) =>
    url
      .replace(':queueName', encodeURIComponent(`campaign-promotion-${promotionId}:voucher:stream`))
      .replace(':queueStatus', 'failed')
      .replace(':type', 'VOUCHER')
      .replace(/:\w+/g, promotionId)
      .replace('*', 'x')

  const state = async () => {
    const { rows: promotions } = await sql`select * from campaign_promotion order by id`.execute(system.kysely)
    const { rows: changes } = await sql`select * from admin_audit order by id`.execute(system.kysely)
    return { promotions, changes }
  }
  const writes = () => routes.filter(({ method, url }) => !SAFE.has(method) && url !== '/login')

  test('there are many, the board’s and the docs’ among them', () => {
    expect(routes.length).toBeGreaterThan(80)
    expect(routes.map(({ url }) => url)).toEqual(expect.arrayContaining(['/board/api/queues', '/api/docs/json', '/']))
  })

  test('without credentials: refused, all but the probes and the login', async () => {
    const before = await state()
    const refused = []
    for (const { method, url } of routes) {
      if (OPEN.has(`${method} ${url}`) || (method === 'HEAD' && OPEN.has(`GET ${url}`))) continue
      const answer = await client.ask(pathOf(url), { method, ...(SAFE.has(method) ? {} : { body: {} }) })
      refused.push([method, url, answer.status])
      expect([method, url, answer.status]).toEqual([method, url, 401])
      expect(answer.text).not.toContain(promotionId)
    }
    expect(refused.length).toBeGreaterThan(80)
    expect(await state()).toEqual(before)
  })

  test('an unknown path tells nobody that it is unknown', async () => {
    expect((await client.ask('/no/such/path')).status).toBe(401)
    expect((await client.as('vera')('/no/such/path')).status).toBe(404)
  })

  test('with a viewer’s credentials no write is taken', async () => {
    const before = await state()
    for (const { method, url } of writes()) {
      if (url === '/logout') continue
      const { status } = await client.as('vera')(pathOf(url), { method, body: {} })
      expect([method, url, [403, 422].includes(status)]).toEqual([method, url, true])
    }
    expect(await state()).toEqual(before)
  })

  test('forged cross-site writes: with the cookie, without its token, from elsewhere, as a form – none is taken', async () => {
    const { cookie, token } = await client.login('otto')
    const before = await state()
    const json = { cookie, 'content-type': 'application/json' }
    const forgeries: Record<string, string>[] = [
      json,
      { ...json, 'x-csrf-token': `${token}x` },
      { ...json, 'x-csrf-token': token, origin: 'https://evil.example' },
      { ...json, 'x-csrf-token': token, origin: 'null' },
      { ...json, 'x-csrf-token': token, 'sec-fetch-site': 'cross-site' },
      { cookie, 'content-type': 'text/plain' },
      { cookie, 'content-type': 'application/x-www-form-urlencoded' },
    ]
    let accepted = 0
    for (const { method, url } of writes()) {
      for (const headers of forgeries) {
        const answer = await request(`${child.url}${pathOf(url)}`, { method: method as 'POST', headers, body: '{}' })
        await answer.body.dump()
        if (answer.statusCode < 400) accepted += 1
        expect([method, url, answer.statusCode >= 400]).toEqual([method, url, true])
      }
    }
    expect(accepted).toBe(0)
    expect(await state()).toEqual(before)
    // A browser that remembers a Basic login can be made to send it, but not with JSON.
    const authorization = `Basic ${Buffer.from(`otto:${PASSWORDS.otto}`).toString('base64')}`
    const basic = await request(`${child.url}/api/promotions/${promotionId}/start`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'text/plain' },
      body: '{}',
    })
    expect(basic.statusCode).toBeGreaterThanOrEqual(400)
    expect(await state()).toEqual(before)
  })

  test('the policy stands on every page, nothing in it allows scripts from a page or from elsewhere', async () => {
    for (const path of ['/', '/login', '/board', '/api/docs', '/metrics', '/no/such/page']) {
      const { headers } = await client.as('vera')(path, { headers: { accept: 'text/html' } })
      const policy = headers.get('content-security-policy') ?? ''
      expect([path, policy]).toEqual([path, expect.stringContaining("default-src 'none';script-src 'self';")])
      expect(policy).not.toMatch(/unsafe|https?:|\*/)
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
    }
  })

  test('secrets: none in logs, pages, metrics, problems or the audit', async () => {
    const operator = client.as('otto')
    await client.ask('/login', { method: 'POST', body: { user: 'otto', password: 'canary-guess-7f3a' } })
    await operator('/hooks/promotion-started', { method: 'POST', body: '{"canary":1}' })
    const seen = []
    for (const { method, url } of routes) {
      if (method !== 'GET' || url === '/api/events') continue
      seen.push((await operator(pathOf(url))).text)
    }
    seen.push(readFileSync(child.logFile, 'utf8'))
    const text = seen.join('\n')
    expect(text).toContain('"level":')
    const secrets = [...Object.values(CANARIES), ...Object.values(PASSWORDS), 'canary-guess-7f3a', 'scrypt.']
    for (const secret of secrets) expect([secret, text.includes(secret)]).toEqual([secret, false])
  })
})
