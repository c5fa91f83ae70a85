import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Child } from '#local/demo/children.ts'
import { AdminClient, adminUsers, PASSWORDS } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('users of the admin (docs/contract.md «Admin HTTP»)', () => {
  let system: TestSystem
  /** Behind a proxy that it trusts, and with a secret that others may have. */
  let shared: Child
  /** Has neither. */
  let plain: Child
  let client: AdminClient
  const SETTINGS = {
    ADMIN_SESSION_SECRET: 'a secret of more than thirty-two characters',
    ADMIN_TRUSTED_PROXIES: '127.0.0.0/8, ::1',
  }

  beforeAll(async () => {
    system = await TestSystem.create()
    system.env.ADMIN_USERS = adminUsers()
    ;[shared, plain] = await Promise.all([system.start('admin', SETTINGS), system.start('admin')])
  }, 60_000)
  afterAll(() => system.stop())
  // Limits count by address: each test comes from one of its own.
  let host = 0
  beforeEach(() => {
    host += 1
    client = new AdminClient(shared, `198.51.100.${host}`)
  })

  test('a login gives a session by cookie and a token for writes; a logout ends it, for copies of the cookie too', async () => {
    const answer = await client.ask('/login', { method: 'POST', body: { user: 'vera', password: PASSWORDS.vera } })
    expect(answer.json).toMatchObject({ user: 'vera', role: 'viewer', csrfToken: expect.any(String) })
    const [setCookie] = answer.headers.getSetCookie()
    expect(setCookie).toMatch(/HttpOnly/)
    expect(setCookie).toMatch(/SameSite=Strict/)
    expect(setCookie).not.toMatch(/Secure/)
    const cookie = setCookie!.split(';')[0]!
    expect((await client.ask('/api/session', { headers: { cookie } })).json).toMatchObject({ user: 'vera' })

    const token = String(answer.json.csrfToken)
    expect((await client.ask('/logout', { method: 'POST', headers: { cookie } })).status).toBe(403)
    const logout = await client.ask('/logout', { method: 'POST', headers: { cookie, 'x-csrf-token': token } })
    expect(logout.status).toBe(204)
    expect((await client.ask('/api/session', { headers: { cookie } })).status).toBe(401)
  })

  test('a wrong password, an unknown user and a planted cookie are refused alike, and nothing of them is told', async () => {
    for (const body of [
      { user: 'vera', password: 'no' },
      { user: 'nobody', password: PASSWORDS.vera },
    ]) {
      const answer = await client.ask('/login', { method: 'POST', body })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('content-type')).toContain('application/problem+json')
      expect(answer.json.detail).toBe('wrong user or password')
    }
    const planted = { cookie: 'promostream-session=AAAA;BBBB' }
    expect((await client.ask('/api/session', { headers: planted })).status).toBe(401)
  })

  test('the sixth login within a minute is 429, right or wrong, and so is the sixth guess by HTTP Basic', async () => {
    const login = () => client.ask('/login', { method: 'POST', body: { user: 'otto', password: 'guess' } })
    const statuses = []
    for (let attempt = 1; attempt <= 6; attempt++) statuses.push((await login()).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
    const right = { user: 'otto', password: PASSWORDS.otto }
    expect((await client.ask('/login', { method: 'POST', body: right })).status).toBe(429)

    const guess = (password: string) =>
      client.ask('/api/session', {
        headers: { authorization: `Basic ${Buffer.from(`otto:${password}`).toString('base64')}` },
      })
    const guesses = await Promise.all(['1', '2', '3', '4', '5', '6', '7'].map(guess))
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(5)
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(2)
  })

  test('a program that begins with many requests at a time is let in: only wrong passwords count', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => client.as('otto')('/api/session')))
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
  })

  test('behind a proxy that is trusted guesses count for who made them; nobody else is believed', async () => {
    const statusesOf = async (child: Child) => {
      const guess = (address: string) =>
        new AdminClient(child, address).ask('/login', { method: 'POST', body: { user: 'otto', password: 'guess' } })
      for (let attempt = 1; attempt <= 5; attempt++) await guess('192.0.2.1')
      return [(await guess('192.0.2.1')).status, (await guess('192.0.2.2')).status]
    }
    expect(await statusesOf(plain)).toEqual([429, 429])
    expect(await statusesOf(shared)).toEqual([429, 401])
  })

  test('admins with one session secret know each other’s sessions, others do not', async () => {
    const second = await system.start('admin', { ADMIN_SESSION_SECRET: SETTINGS.ADMIN_SESSION_SECRET })
    const [one, two, other] = [client, new AdminClient(second), new AdminClient(plain)]
    const { cookie } = await one.login('vera')
    const statusAt = async (admin: AdminClient) => (await admin.ask('/api/session', { headers: { cookie } })).status
    expect([await statusAt(one), await statusAt(two), await statusAt(other)]).toEqual([200, 200, 401])
  })

  test('a form that fails is answered with a page, and an error’s page can log out', async () => {
    const html = { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' }
    const form = (cookie: string, body: string, path: string) =>
      client.ask(path, { method: 'POST', body, headers: { ...html, cookie } })
    const { cookie } = await client.login('vera')
    const missing = await client.ask('/promotions/123', { headers: { cookie, accept: 'text/html' } })
    const token = /name="_csrf" value="([^"]+)"/.exec(missing.text)?.[1] ?? ''
    expect([missing.status, token]).toEqual([404, expect.stringMatching(/.{10}/)])
    const out = await form(cookie, new URLSearchParams({ _csrf: token }).toString(), '/logout')
    expect([out.status, out.headers.get('location')]).toEqual([303, '/login'])
    for (let attempt = 1; attempt <= 4; attempt++) await form('', 'user=vera&password=no', '/login')
    const refused = await form('', 'user=vera&password=no', '/login')
    expect([refused.status, refused.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8'])
  })

  test('a form logs in and is led on, but only to a path of ours', async () => {
    const form = (next: string) =>
      fetch(`${client.url}/login`, {
        method: 'POST',
        redirect: 'manual',
        headers: client.from,
        body: new URLSearchParams({ user: 'vera', password: PASSWORDS.vera, next }),
      })
    expect((await form('/promotions/1')).headers.get('location')).toBe('/promotions/1')
    for (const next of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
      expect((await form(next)).headers.get('location')).toBe('/')
    }
  })

  test('outside localhost the cookie is Secure', async () => {
    const { request } = await import('undici')
    const body = JSON.stringify({ user: 'vera', password: PASSWORDS.vera })
    const headers = { ...client.from, host: 'admin.example.com', 'content-type': 'application/json' }
    const answer = await request(`${client.url}/login`, { method: 'POST', headers, body })
    await answer.body.dump()
    expect(String(answer.headers['set-cookie'])).toMatch(/; Secure/)
  })

  test('who is nobody is sent to the login with a browser, and answered 401 without', async () => {
    const page = await client.ask('/promotions/1?a=b', { headers: { accept: 'text/html' } })
    expect([page.status, page.headers.get('location')]).toEqual([303, '/login?next=%2Fpromotions%2F1%3Fa%3Db'])
    const program = await client.ask('/metrics')
    expect([program.status, program.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="promostream"'])
    expect((await client.as('vera')('/metrics')).status).toBe(200)
    for (const path of ['/health', '/ready', '/login']) expect((await client.ask(path)).status).toBe(200)
  })
})
