import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { HttpPool } from '#money/http.ts'

const LIMIT = 64 * 1024
let respond: (request: IncomingMessage, response: ServerResponse) => void
let asked: IncomingMessage[] = []
const server = createServer((request, response) => {
  asked.push(request)
  request.resume()
  respond(request, response)
})
let pool: HttpPool
const closers: (() => Promise<unknown>)[] = []

const poolOf = (options: Partial<ConstructorParameters<typeof HttpPool>[0]> = {}) => {
  const { port } = server.address() as AddressInfo
  const made = new HttpPool({
    baseUrl: `http://127.0.0.1:${port}`,
    token: 'secret',
    timeoutMs: 2000,
    connections: 1,
    ...options,
  })
  closers.push(() => made.close())
  return made
}

beforeEach(async () => {
  asked = []
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  pool = poolOf()
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

const post = (signal?: AbortSignal, by = pool) => by.exchange({ method: 'POST', path: '/x', body: '{}', signal })
const codeOf = (answer: Awaited<ReturnType<typeof post>>) =>
  answer.kind === 'no-reply' ? (answer.error as Error & { code?: string }).code : answer.status

test('a reply is heard to its last byte, in however many pieces, up to 64 KiB', async () => {
  respond = (_request, response) => {
    response.writeHead(422, { 'retry-after': '7' })
    response.write('a'.repeat(LIMIT / 2))
    setTimeout(() => response.end('b'.repeat(LIMIT / 2)), 20)
  }
  const body = 'a'.repeat(LIMIT / 2) + 'b'.repeat(LIMIT / 2)
  expect(await post()).toEqual({ kind: 'reply', status: 422, body, retryAfter: '7' })
})

test('one byte more is an error, and the connection serves the next call', async () => {
  respond = (_request, response) => {
    response.write('a'.repeat(LIMIT))
    setTimeout(() => response.end('b'), 20)
  }
  const answer = await post()
  expect(codeOf(answer)).toBe('REPLY_TOO_LARGE')
  expect(answer).toMatchObject({ isUnsent: false, isStalled: false })
  respond = (_request, response) => void response.end('ok')
  expect(await post()).toMatchObject({ status: 200, body: 'ok' })
})

test('the path of the base URL comes before that of the call, and the token of now goes with it', async () => {
  respond = (_request, response) => void response.end()
  const { port } = server.address() as AddressInfo
  const below = poolOf({ baseUrl: `http://127.0.0.1:${port}/money//` })
  await below.exchange({ method: 'POST', path: '/x', body: '{}', headers: { 'idempotency-key': 'k' } })
  below.setToken('other')
  await below.exchange({ method: 'GET', path: '/y' })
  const open = poolOf({ token: undefined })
  await open.exchange({ method: 'GET', path: '/z' })
  expect(
    asked.map(({ method, url, headers }) => [method, url, headers.authorization, headers['idempotency-key']]),
  ).toEqual([
    ['POST', '/money/x', 'Bearer secret', 'k'],
    ['GET', '/money/y', 'Bearer other', undefined],
    ['GET', '/z', undefined, undefined],
  ])
})

test('a redirect is an answer, and is not followed', async () => {
  respond = (_request, response) => void response.writeHead(302, { location: '/y' }).end()
  expect(await post()).toMatchObject({ kind: 'reply', status: 302 })
  expect(asked).toHaveLength(1)
})

test('one signal gives up all its calls, under way and to come, and no others', async () => {
  respond = () => undefined
  const wide = poolOf({ connections: 5 })
  const abort = new AbortController()
  const calls = [post(abort.signal, wide), post(abort.signal, wide), post(abort.signal, wide)]
  while (asked.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
  abort.abort()
  expect((await Promise.all(calls)).map(codeOf)).toEqual(['ABORTED', 'ABORTED', 'ABORTED'])
  expect(codeOf(await post(abort.signal, wide))).toBe('ABORTED')
  expect(asked).toHaveLength(3)
  respond = (_request, response) => void response.end()
  expect(codeOf(await post(new AbortController().signal, wide))).toBe(200)
})

test('a call that never got a connection was not sent, and never will be; one that is answered too late was', async () => {
  respond = () => undefined
  const slow = poolOf({ timeoutMs: 200 })
  const abort = new AbortController()
  const calls = [post(undefined, slow), post(abort.signal, slow)] as const
  while (asked.length < 1) await new Promise(resolve => setTimeout(resolve, 5))
  abort.abort()
  const [sent, waited] = await Promise.all(calls)
  expect([codeOf(sent), codeOf(waited)]).toEqual(['TIMEOUT', 'ABORTED'])
  expect([sent, waited].map(answer => answer.kind === 'no-reply' && answer.isUnsent)).toEqual([false, true])
  await new Promise(resolve => setTimeout(resolve, 100))
  expect(asked).toHaveLength(1)
})

test('a call that has ended leaves no timer', async () => {
  respond = (_request, response) => void response.end()
  const timersNow = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  await post()
  const before = timersNow()
  for (let call = 0; call < 5; call++) await post()
  expect(timersNow()).toBeLessThanOrEqual(before)
})

test('calls one after the other use two connections in turn at most, however many there may be', async () => {
  respond = (_request, response) => response.end('{}')
  const many = poolOf({ connections: 300 })
  for (let call = 0; call < 200; call++) await post(undefined, many)

  // The one that a reply has just come by is not free yet.
  expect(new Set(asked.map(({ socket }) => socket)).size).toBeLessThanOrEqual(2)
})
