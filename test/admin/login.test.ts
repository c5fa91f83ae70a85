import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Child } from '#demo/children.ts'
import { AdminClient, adminUsers, PASSWORDS } from '../support/admin-client.ts'
import { kafkaMissing } from '../support/stack-env.ts'
import { TestSystem } from '../support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('users of the admin (CONTRACT «Admin HTTP»)', () => {
  let system: TestSystem
  let users: string
  let child: Child
  let client: AdminClient

  beforeAll(async () => {
    system = await TestSystem.create()
    users = await adminUsers()
  }, 60_000)
  afterAll(() => system.stop())
  // Rate limits count by address: each test has an admin of its own where it logs in more than once.
  const fresh = async () => {
    child = await system.start('admin', { ADMIN_USERS: users })
    client = new AdminClient(child)
  }

  test('a login gives a session by cookie and a token for writes; a logout ends it, for copies of the cookie too', async () => {
    await fresh()
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
    await fresh()
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
    await fresh()
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

  test('a form logs in and is led on, but only to a path of ours', async () => {
    await fresh()
    const form = (next: string) =>
      fetch(`${client.url}/login`, {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams({ user: 'vera', password: PASSWORDS.vera, next }),
      })
    expect((await form('/promotions/1')).headers.get('location')).toBe('/promotions/1')
    for (const next of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
      expect((await form(next)).headers.get('location')).toBe('/')
    }
  })

  test('outside localhost the cookie is Secure', async () => {
    await fresh()
    const { request } = await import('undici')
    const body = JSON.stringify({ user: 'vera', password: PASSWORDS.vera })
    const headers = { host: 'admin.example.com', 'content-type': 'application/json' }
    const answer = await request(`${client.url}/login`, { method: 'POST', headers, body })
    await answer.body.dump()
    expect(String(answer.headers['set-cookie'])).toMatch(/; Secure/)
  })

  test('who is nobody is sent to the login with a browser, and answered 401 without', async () => {
    await fresh()
    const page = await client.ask('/promotions/1?a=b', { headers: { accept: 'text/html' } })
    expect([page.status, page.headers.get('location')]).toEqual([303, '/login?next=%2Fpromotions%2F1%3Fa%3Db'])
    const program = await client.ask('/metrics')
    expect([program.status, program.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="promostream"'])
    expect((await client.as('vera')('/metrics')).status).toBe(200)
    for (const path of ['/health', '/ready', '/login']) expect((await client.ask(path)).status).toBe(200)
  })
})
