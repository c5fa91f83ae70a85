import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { adminAppOf, basic } from '#test/support/admin-app.ts'

let admin: Awaited<ReturnType<typeof adminAppOf>>
let done: string[]

async function open(options: Parameters<typeof adminAppOf>[1] = {}) {
  done = []
  return adminAppOf(async (app: FastifyInstance) => {
    const does = (name: string) => async () => {
      done.push(name)
      return { done: name }
    }
    app.get('/read', does('read'))
    app.post('/plain/:id', does('plain'))
    app.post('/named', { config: { change: 'gift.retry' } }, does('named'))
    app.post('/own', { config: { isOwn: true } }, does('own'))
    app.post('/open', { config: { isOpen: true } }, does('open'))
    app.post('/signed', { config: { takesSignature: true } }, does('signed'))
    app.post('/failing', async () => {
      throw new Error('no')
    })
  }, options)
}

beforeEach(async () => {
  admin = await open()
})
afterEach(() => admin.app.close())

type Headers = Record<string, string>

const post = (url: string, headers: Headers, payload: unknown = {}) =>
  admin.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })

test('an operator’s change is written down before it is done, and how it ended after it', async () => {
  const reply = await post('/plain/a%20b?x=1', basic('otto'), { amount: '5' })
  expect(reply.json()).toEqual({ done: 'plain' })
  expect(admin.began).toEqual([{ who: 'otto', what: 'POST /plain/:id', target: '/plain/a b', detail: { amount: '5' } }])
  expect(admin.ended).toEqual([['1', '200']])
})

test('a route may say what its change is called; one that fails ends with its status', async () => {
  await post('/named', basic('otto'))
  await post('/failing', basic('otto'))
  expect(admin.began.map(({ what }) => what)).toEqual(['gift.retry', 'POST /failing'])
  expect(admin.ended).toEqual([
    ['1', '200'],
    ['2', '500'],
  ])
})

test('a change that cannot be written down is not made', async () => {
  await admin.app.close()
  admin = await open({
    activityLog: { begin: () => Promise.reject(new Error('PostgreSQL is away')), end: async () => undefined } as never,
  })
  expect((await post('/named', basic('otto'))).statusCode).toBe(500)
  expect(done).toEqual([])
})

test('one whose end cannot be written down is answered all the same', async () => {
  await admin.app.close()
  admin = await open({
    activityLog: { begin: async () => '7', end: () => Promise.reject(new Error('PostgreSQL is away')) } as never,
  })
  expect((await post('/named', basic('otto'))).json()).toEqual({ done: 'named' })
})

test('a viewer may look, not change', async () => {
  expect((await admin.app.inject({ method: 'GET', url: '/read', headers: basic('vera') })).statusCode).toBe(200)
  const reply = await post('/named', basic('vera'))
  expect([reply.statusCode, reply.json().code]).toEqual([403, 'FORBIDDEN'])
  expect([done, admin.began, admin.ended]).toEqual([['read'], [], []])
})

test('what changes only one’s own session needs no role, and is no entry', async () => {
  expect((await post('/own', basic('vera'))).json()).toEqual({ done: 'own' })
  expect(admin.began).toEqual([])
})

test('reading and what is open are no changes', async () => {
  for (const method of ['GET', 'HEAD'] as const)
    expect((await admin.app.inject({ method, url: '/read', headers: basic('otto') })).statusCode).toBe(200)
  expect((await post('/open', {})).json()).toEqual({ done: 'open' })
  expect(admin.began).toEqual([])
})

test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', undefined])(
  'a program’s change as %s is refused: a page elsewhere could send it',
  async type => {
    const reply = await admin.app.inject({
      method: 'POST',
      url: '/named',
      headers: { ...basic('otto'), ...(type === undefined ? {} : { 'content-type': type }) },
      ...(type === undefined ? {} : { payload: 'a=1' }),
    })
    expect(reply.statusCode).toBe(415)
    expect([done, admin.began]).toEqual([[], []])
  },
)

test('a program may name the charset of its JSON', async () => {
  const reply = await post('/named', { ...basic('otto'), 'content-type': 'Application/JSON; charset=utf-8' })
  expect(reply.statusCode).toBe(200)
})

test('a session’s change needs its token', async () => {
  const { cookie, 'x-csrf-token': token } = await admin.logIn('otto')
  expect((await post('/named', { cookie })).statusCode).toBe(403)
  expect((await post('/named', { cookie, 'x-csrf-token': 'another' })).statusCode).toBe(403)
  expect(done).toEqual([])
  expect((await post('/named', { cookie, 'x-csrf-token': token })).json()).toEqual({ done: 'named' })
  expect(admin.began).toMatchObject([{ who: 'otto', what: 'gift.retry' }])
})

test('a signature that nobody checked changes nothing', async () => {
  const reply = await post('/signed', { 'x-promostream-signature': 's' })
  expect([reply.statusCode, done]).toEqual([401, []])
})

test.each([[{ origin: 'https://evil.example' }], [{ 'sec-fetch-site': 'cross-site' }]])(
  'a write from elsewhere is refused before anything else is asked: %j',
  async headers => {
    for (const url of ['/named', '/open', '/login', '/nowhere']) {
      const reply = await post(url, { ...basic('otto'), ...headers } as Headers)
      expect([url, reply.statusCode, reply.json().code]).toEqual([url, 403, 'FOREIGN_ORIGIN'])
    }
    expect([done, admin.verified]).toEqual([[], []])
  },
)

test('a link from elsewhere may be read', async () => {
  const headers = { ...basic('otto'), 'sec-fetch-site': 'cross-site' }
  expect((await admin.app.inject({ method: 'GET', url: '/read', headers })).statusCode).toBe(200)
})

test('a write to what is not there is no change', async () => {
  expect((await post('/nowhere', basic('otto'))).statusCode).toBe(404)
  expect(admin.began).toEqual([])
})

test.each([
  ['nothing', '', {}],
  ['null', 'null', null],
  ['an id', '{"id":"9007199254740993"}', { id: '9007199254740993' }],
  ['a text', '"a text"', 'a text'],
  ['a text that is JSON', JSON.stringify('{"a":"b"}'), { a: 'b' }],
  ['a long text', JSON.stringify('x'.repeat(2000)), 'x'.repeat(1000)],
])('what is asked for is written down with it: %s', async (_name, payload, detail) => {
  expect((await post('/plain/1', basic('otto'), payload)).statusCode).toBe(200)
  expect(admin.began).toEqual([{ who: 'otto', what: 'POST /plain/:id', target: '/plain/1', detail }])
})
