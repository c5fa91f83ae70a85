import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { adminAppOf, basic } from '#test/support/admin-app.ts'

let admin: Awaited<ReturnType<typeof adminAppOf>>

beforeEach(async () => {
  admin = await adminAppOf(async (app: FastifyInstance) => {
    app.get('/who', async ({ identity, signedInBy }) => ({ name: identity?.name ?? null, by: signedInBy ?? null }))
    app.get('/open', { config: { isOpen: true } }, async ({ identity }) => ({ name: identity?.name ?? null }))
    app.get('/signed', { config: { takesSignature: true } }, async ({ identity }) => ({ name: identity?.name ?? null }))
  })
})
afterEach(() => admin.app.close())

const ask = (url: string, headers: Record<string, string> = {}, remoteAddress = '10.0.0.1') =>
  admin.app.inject({ method: 'GET', url, headers, remoteAddress })

describe('HTTP Basic', () => {
  test('a right pair is that user, and its password is derived once, however many requests begin with it', async () => {
    const replies = await Promise.all(Array.from({ length: 100 }, () => ask('/who', basic('vera'))))
    expect(new Set(replies.map(({ body }) => body))).toEqual(new Set(['{"name":"vera","by":"basic"}']))
    expect((await ask('/who', basic('vera'))).statusCode).toBe(200)
    expect(admin.verified).toEqual(['vera'])
  })

  test.each([
    ['a wrong password', basic('vera', 'wrong').authorization],
    ['nobody’s name', basic('nobody').authorization],
    ['no colon', `Basic ${Buffer.from('vera').toString('base64')}`],
    ['another scheme', 'Bearer right'],
    ['no base64', 'Basic {}'],
  ])('%s is turned away, and told what to do', async (_name, authorization) => {
    const reply = await ask('/who', { authorization })
    expect([reply.statusCode, reply.json().code]).toEqual([401, 'UNAUTHENTICATED'])
    expect(reply.headers['www-authenticate']).toBe('Basic realm="promostream"')
  })

  test('what is no pair of name and password costs no derivation', async () => {
    for (const authorization of [`Basic ${Buffer.from('vera').toString('base64')}`, 'Bearer right', 'Basic {}'])
      await ask('/who', { authorization })
    expect(admin.verified).toEqual([])
  })

  test('a password may have colons, and letters of any language', async () => {
    const asked: string[] = []
    admin.users.verify = async (...pair) => void asked.push(...pair)
    await ask('/who', basic('vera', 'right:ü'))
    expect(asked).toEqual(['vera', 'right:ü'])
  })

  test('five wrong passwords from an address in a minute: the next is not looked at, elsewhere it is', async () => {
    for (let guess = 0; guess < 5; guess++)
      expect((await ask('/who', basic('vera', `wrong ${guess}`))).statusCode).toBe(401)
    const reply = await ask('/who', basic('vera'))
    expect([reply.statusCode, reply.json().code]).toEqual([429, 'TOO_MANY_LOGINS'])
    expect(admin.verified).toHaveLength(5)
    expect((await ask('/who', basic('vera'), '10.0.0.2')).statusCode).toBe(200)
    // Who is known goes on from everywhere.
    expect((await ask('/who', basic('vera'))).statusCode).toBe(200)
  })

  test('a burst of guesses has no more than five looked at', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, guess) => ask('/who', basic('vera', `wrong ${guess}`))))
    expect(admin.verified).toHaveLength(5)
  })

  test('right passwords use up no guess', async () => {
    for (const name of ['vera', 'otto', 'vera', 'otto', 'vera', 'otto', 'vera', 'otto'])
      expect((await ask('/who', basic(name))).statusCode).toBe(200)
    for (let guess = 0; guess < 4; guess++) await ask('/who', basic('vera', `wrong ${guess}`))
    admin.verified.splice(0)
    await ask('/who', basic('vera', 'wrong'))
    expect(admin.verified).toEqual(['vera'])
  })

  test('it goes before a session', async () => {
    const { cookie } = await admin.logIn('vera')
    expect((await ask('/who', { cookie, ...basic('otto') })).json()).toEqual({ name: 'otto', by: 'basic' })
    expect((await ask('/who', { cookie, ...basic('otto', 'wrong') })).statusCode).toBe(401)
  })
})

describe('a session', () => {
  test('is its user', async () => {
    expect((await ask('/who', await admin.logIn('vera'))).json()).toEqual({ name: 'vera', by: 'session' })
  })

  test('that was logged out is nobody’s, in whoever copied it; another login of the same user goes on', async () => {
    const [one, other] = [await admin.logIn('vera'), await admin.logIn('vera')]
    expect((await admin.app.inject({ method: 'POST', url: '/logout', headers: one })).statusCode).toBe(204)
    expect([(await ask('/who', one)).statusCode, (await ask('/who', other)).statusCode]).toEqual([401, 200])
  })

  test('of a user who was removed is nobody’s', async () => {
    const session = await admin.logIn('vera')
    admin.people.delete('vera')
    expect((await ask('/who', session)).statusCode).toBe(401)
  })

  test('has the role that its user has now', async () => {
    const session = await admin.logIn('vera')
    admin.people.set('vera', { name: 'vera', role: 'operator' } as never)
    expect((await ask('/api/session', session)).json()).toMatchObject({ user: 'vera', role: 'operator' })
  })
})

describe('nobody', () => {
  test('is sent from a page to the login, and from there back', async () => {
    const reply = await ask('/who?x=1&y=%C3%BC', { accept: 'text/html' })
    expect([reply.statusCode, reply.headers.location]).toEqual([
      303,
      `/login?next=${encodeURIComponent('/who?x=1&y=%C3%BC')}`,
    ])
  })

  test('with a wrong password of HTTP Basic is told so on a page too', async () => {
    const reply = await ask('/who', { accept: 'text/html', ...basic('vera', 'wrong') })
    expect([reply.statusCode, reply.headers.location]).toEqual([401, undefined])
  })

  test('in a browser sees no password box of the browser’s own', async () => {
    const reply = await ask('/who', { 'sec-fetch-site': 'same-origin' })
    expect([reply.statusCode, reply.headers['www-authenticate']]).toEqual([401, undefined])
  })

  test('may ask what is open, and what takes a signature if there is one', async () => {
    expect((await ask('/open')).json()).toEqual({ name: null })
    expect((await ask('/open', basic('vera', 'wrong'))).json()).toEqual({ name: null })
    expect((await ask('/signed')).statusCode).toBe(401)
    expect((await ask('/signed', { 'x-promostream-signature': 's' })).json()).toEqual({ name: null })
    expect((await ask('/who', { 'x-promostream-signature': 's' })).statusCode).toBe(401)
  })
})
