import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { isOwnFault } from '#money/charge.ts'
import { HttpPool } from '#money/http.ts'
import { slowTest } from '#test/support/slow-test.ts'

const TIMEOUT_MS = 300
/** In a thread of its own: it answers while this process stands still. */
const SERVER = `
  const { createServer } = require('node:http')
  const { parentPort } = require('node:worker_threads')
  const server = createServer((request, response) => {
    const delay = Number(request.headers['x-delay'])
    if (request.url === '/when-told') {
      parentPort.once('message', () => response.end('{"transactionKey":"tx"}'))
      return parentPort.postMessage('it waits')
    }
    setTimeout(() => response.end('{"transactionKey":"tx"}'), delay)
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`

let worker: Worker
let port: number
let pool: HttpPool

beforeAll(async () => {
  worker = new Worker(SERVER, { eval: true })
  port = (await once(worker, 'message'))[0] as number
  pool = new HttpPool({ baseUrl: `http://127.0.0.1:${port}`, token: 't', timeoutMs: TIMEOUT_MS, connections: 20 })
})
afterAll(async () => {
  await pool.close()
  await worker.terminate()
})

const call = (delayMs: number) =>
  pool.exchange({ method: 'POST', path: '/', headers: { 'x-delay': String(delayMs) }, body: '{}' })

function standStill(ms: number): void {
  const endAt = performance.now() + ms
  while (performance.now() < endAt);
}

test('answers that lie in the socket when a stalled loop goes on are heard', async () => {
  await Promise.all(Array.from({ length: 20 }, () => call(0)))
  const calls = Array.from({ length: 20 }, () => call(30))
  await sleep(10)
  standStill(2 * TIMEOUT_MS)
  expect((await Promise.all(calls)).filter(({ kind }) => kind !== 'reply')).toEqual([])
})

test('what the loop stood still is granted, once; a call beyond that is a time-out that says nothing', async () => {
  await call(0)
  const granted = call(1.5 * TIMEOUT_MS)
  const silent = call(20 * TIMEOUT_MS)
  await sleep(10)
  standStill(TIMEOUT_MS)
  expect(await granted).toMatchObject({ kind: 'reply', status: 200 })
  expect(await silent).toMatchObject({ kind: 'no-reply', error: { code: 'TIMEOUT' }, isStalled: true, isUnsent: false })
})

slowTest(
  'what has arrived by the time-out is read first, also when no time is left to grant',
  async () => {
    const timeoutMs = 1000
    await using parts = new AsyncDisposableStack()
    const slow = new HttpPool({ baseUrl: `http://127.0.0.1:${port}`, token: 't', timeoutMs, connections: 1 })
    parts.defer(() => slow.close())
    const ask = (path: string) => slow.exchange({ method: 'POST', path, headers: { 'x-delay': '0' }, body: '{}' })
    await ask('/')
    const answer = ask('/when-told')
    await once(worker, 'message')
    standStill(timeoutMs)
    // In the loop's next turns that is granted; then the answer comes while it stands still until all of it is used up.
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
    worker.postMessage('answer')
    standStill(2 * timeoutMs)
    expect(await answer).toMatchObject({ kind: 'reply', status: 200 })
  },
  15_000,
)

test('a silent service is a time-out when its time is up, and counts', async () => {
  const startedAtMs = performance.now()
  expect(await call(20 * TIMEOUT_MS)).toMatchObject({ kind: 'no-reply', error: { code: 'TIMEOUT' }, isUnsent: false })
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1)
})

test('what never left: a header that cannot be sent, a port where nobody listens, a closed pool', async () => {
  const header = await pool.exchange({ method: 'POST', path: '/', headers: { 'x-key': 'a\nb' }, body: '{}' })
  expect(header).toMatchObject({ kind: 'no-reply', isUnsent: true })
  expect(isOwnFault(header)).toBe(true)

  const server: Server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: freed } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  const away = new HttpPool({ baseUrl: `http://127.0.0.1:${freed}`, token: 't', timeoutMs: 1000, connections: 1 })
  const refused = await away.exchange({ method: 'POST', path: '/', body: '{}' })
  expect(refused).toMatchObject({ kind: 'no-reply', isUnsent: true, error: { code: 'ECONNREFUSED' } })
  expect(isOwnFault(refused)).toBe(false)
  await away.close()
  const closed = await away.exchange({ method: 'POST', path: '/', body: '{}' })
  expect(closed).toMatchObject({ kind: 'no-reply', isUnsent: true })
  expect(isOwnFault(closed)).toBe(true)
})
