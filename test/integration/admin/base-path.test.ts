import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Child } from '#local/demo/children.ts'
import { AdminClient, adminUsers, PASSWORDS } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const BASE = '/tools/promostream'

withKafka('an admin below a path of a proxy', () => {
  let system: TestSystem
  let child: Child
  let promotionId: string
  const doors: Server[] = []

  beforeAll(async () => {
    system = await TestSystem.create()
    child = await system.start('admin', { ADMIN_USERS: adminUsers(), ADMIN_BASE_PATH: `${BASE}/` })
    promotionId = await system.promotion('VOUCHER', 'READY')
  }, 60_000)
  afterAll(async () => {
    for (const door of doors) door.close()
    await system.stop()
  })

  /** Everything outside the path belongs to others. */
  async function proxy(takesOff: boolean): Promise<AdminClient> {
    const door = createServer((request, response) => {
      const { url = '', method, headers } = request
      if (!url.startsWith(`${BASE}/`)) return void response.writeHead(404).end('not ours')
      const path = takesOff ? url.slice(BASE.length) : url
      const { port } = new URL(child.url)
      const onward = httpRequest({ host: '127.0.0.1', port, method, path, headers }, answer => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    })
    doors.push(door)
    door.listen(0, '127.0.0.1')
    await once(door, 'listening')
    return new AdminClient({ url: `http://127.0.0.1:${(door.address() as AddressInfo).port}` })
  }

  test.each([true, false])(
    'no page, redirect, asset or cookie leaves the path (prefix taken off: %s)',
    async takesOff => {
      const client = await proxy(takesOff)
      const html = { accept: 'text/html' }
      const turned = await client.ask(`${BASE}/promotions/${promotionId}`, { headers: html })
      expect(turned.headers.get('location')).toBe(
        `${BASE}/login?next=${encodeURIComponent(`/promotions/${promotionId}`)}`,
      )
      const login = await client.ask(`${BASE}/login`, {
        method: 'POST',
        body: new URLSearchParams({ user: 'otto', password: PASSWORDS.otto, next: '/audit' }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...html },
      })
      expect([login.status, login.headers.get('location')]).toEqual([303, `${BASE}/audit`])
      const [setCookie = ''] = login.headers.getSetCookie()
      expect(setCookie).toContain(`Path=${BASE}`)
      const headers = { ...html, cookie: setCookie.split(';')[0]! }
      const links = new Set<string>()
      for (const path of [
        '/',
        '/audit',
        `/promotions/${promotionId}`,
        `/promotions/${promotionId}/gifts`,
        '/board/',
        '/nowhere',
      ]) {
        const page = await client.ask(`${BASE}${path}`, { headers })
        const found = [...page.text.matchAll(/(?:href|src|action)="([^"]*)"/g)].map(([, link]) => link!)
        for (const link of found.filter(link => link.startsWith('/'))) links.add(link)
        if (path !== '/board/') continue
        expect(found).toContain(`${BASE}/board/`)
        expect(page.text).toContain(`"url":"${BASE}/"`)
        expect(page.headers.getSetCookie().join()).toContain(`Path=${BASE}/board`)
      }
      expect([...links].filter(link => !link.startsWith(`${BASE}/`))).toEqual([])
      for (const link of [...links].filter(each => /\.(js|css|svg)$/.test(each)))
        expect([link, (await client.ask(link, { headers })).status]).toEqual([link, 200])
      expect((await client.ask(`${BASE}/api/promotions/${promotionId}`, { headers })).status).toBe(200)
      const spec = await client.ask(`${BASE}/api/docs/json`, { headers })
      expect(spec.json.servers).toEqual([{ url: BASE }])
    },
  )

  test('a password in the place of the name is not written down', async () => {
    const client = new AdminClient(child)
    const body = { user: 'my-secret-Password-1', password: 'x' }
    expect((await client.ask('/login', { method: 'POST', body })).status).toBe(401)
    await system.until('the log line', async () => readFileSync(child.logFile, 'utf8').includes('"user":"unknown"'))
    expect(readFileSync(child.logFile, 'utf8')).not.toContain('my-secret')
  })
})
