import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { type BreakerState, MoneyBreaker } from '#money/breaker.ts'
import type { HttpAnswer, HttpMethod } from '#money/charge.ts'

const MIN_OPEN_MS = 30
const KEY = '{"transactionKey":"tx-1"}'
const reply = (status: number, body = status < 300 ? KEY : ''): HttpAnswer => ({
  kind: 'reply',
  status,
  body,
  retryAfter: undefined,
})
const silence = (code: string): HttpAnswer => ({ kind: 'no-reply', error: Object.assign(new Error(code), { code }) })

function create() {
  const states: BreakerState[] = []
  const breaker = new MoneyBreaker({ minOpenMs: MIN_OPEN_MS, onState: state => states.push(state) })
  let gift = 0
  const call = (answer: HttpAnswer, key = `VOUCHER:${gift++}`, method: HttpMethod = 'POST') =>
    breaker.run({ gift: key, method }, async () => answer)
  const callMany = async (count: number, answer: HttpAnswer, method: HttpMethod = 'POST') => {
    for (let index = 0; index < count; index++) await call(answer, undefined, method)
  }
  return { breaker, states, call, callMany }
}

const UNUSABLE: [name: string, answer: HttpAnswer][] = [
  ...[202, 204, 301, 302, 307, 308, 402, 405, 408, 409, 410, 413, 415, 418, 425, 426, 429, 451, 500, 503, 599].map(
    (status): [string, HttpAnswer] => [String(status), reply(status)],
  ),
  ['200 with HTML', reply(200, '<html>')],
  ['200 without a key', reply(200, '{}')],
  ['201 cut', reply(201, '{"transactionKey":"tx')],
  ...['TIMEOUT', 'ECONNRESET', 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET', 'REPLY_TOO_LARGE'].map(
    (code): [string, HttpAnswer] => [code, silence(code)],
  ),
  ['a connection that was refused', { ...silence('ECONNREFUSED'), isUnsent: true } as HttpAnswer],
  ['a 404 to the POST', reply(404)],
]

test.each(UNUSABLE)('%s for ten gifts opens it: no call is made any more', async (_name, answer) => {
  const { breaker, callMany, call } = create()
  await callMany(9, answer)
  expect(breaker.state).toBe('closed')
  await callMany(1, answer)
  expect(breaker.state).toBe('open')
  expect(await call(reply(200))).toBeUndefined()
})

test.each<[name: string, method: HttpMethod, answer: HttpAnswer]>([
  ['200', 'POST', reply(200)],
  ['201', 'POST', reply(201)],
  ['400', 'POST', reply(400)],
  ['422', 'POST', reply(422)],
  ['401 to a POST', 'POST', reply(401)],
  ['403 to a POST', 'POST', reply(403)],
  ['200 to a GET', 'GET', reply(200)],
  ['404 to a GET', 'GET', reply(404)],
  ['403 to a GET, one gift alone', 'GET', { ...reply(403), isDoubted: true } as HttpAnswer],
  ['a call that we gave up', 'POST', silence('ABORTED')],
  ['a call while we stood still', 'POST', { ...silence('TIMEOUT'), isStalled: true } as HttpAnswer],
  ['a header that cannot be sent', 'POST', { ...silence('UND_ERR_INVALID_ARG'), isUnsent: true } as HttpAnswer],
  ['a pool that is closed', 'POST', { ...silence('UND_ERR_DESTROYED'), isUnsent: true } as HttpAnswer],
])('%s never opens it', async (_name, method, answer) => {
  const { breaker, callMany } = create()
  await callMany(500, answer, method)
  expect(breaker.state).toBe('closed')
})

test.each([302, 400, 404, 405, 429, 500])('a GET answered %d, not believed, for ten gifts opens it', async status => {
  const { breaker, callMany } = create()
  await callMany(10, { ...reply(status), isDoubted: true } as HttpAnswer, 'GET')
  expect(breaker.state).toBe('open')
})

test('gifts that are refused by 404, each confirmed by its GET, do not open it', async () => {
  const { breaker, call } = create()
  for (let gift = 0; gift < 500; gift++) {
    await call(reply(404), `VOUCHER:${gift}`)
    await call(reply(404), `VOUCHER:${gift}`, 'GET')
  }
  expect(breaker.state).toBe('closed')
})

test('twenty gifts in a row without a usable answer open it after any number of good ones', async () => {
  const { breaker, callMany } = create()
  await callMany(5000, reply(200))
  await callMany(19, reply(503))
  expect(breaker.state).toBe('closed')
  await callMany(1, reply(503))
  expect(breaker.state).toBe('open')
})

test('40 % faulty answers in 100,000 do not open it', async () => {
  const { states, call } = create()
  // A linear congruential generator: the same run each time.
  let seed = 42
  for (let index = 0; index < 100_000; index++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    await call(seed / 2 ** 32 < 0.4 ? reply(500) : reply(200))
  }
  expect(states).toEqual([])
})

test('one gift whose every call fails counts once, until another has been answered', async () => {
  const { breaker, call } = create()
  for (let index = 0; index < 1000; index++) await call(reply(500), 'VOUCHER:1')
  expect(breaker.state).toBe('closed')
})

test('half-open, three calls decide and the others wait for their verdict', async () => {
  const { breaker, states, call, callMany } = create()
  await callMany(10, reply(503))
  await sleep(MIN_OPEN_MS + 10)
  const good = Array.from({ length: 50 }, () => call(reply(200)))
  expect(breaker.state).toBe('half-open')
  expect((await Promise.all(good)).every(answer => answer !== undefined)).toBe(true)
  expect(states).toEqual(['open', 'half-open', 'closed'])

  await callMany(100, reply(503))
  await sleep(MIN_OPEN_MS + 10)
  const bad = await Promise.all(Array.from({ length: 50 }, () => call(reply(503))))
  expect(bad.filter(answer => answer !== undefined)).toHaveLength(3)
  // On a busy machine its pause may be over again by now.
  expect(states.slice(3, 6)).toEqual(['open', 'half-open', 'open'])
})

test.each([401, 403])('a %d to a GET opens it at once; so does the word of another instance', async status => {
  const { breaker, call, callMany } = create()
  await callMany(200, reply(200))
  await call(reply(status), 'VOUCHER:1', 'GET')
  expect([breaker.state, breaker.isForced]).toEqual(['open', true])

  const other = create()
  await other.breaker.trip()
  expect([other.breaker.state, other.breaker.isForced]).toEqual(['open', true])
})

test('an outage that one gift found out opens it', async () => {
  const { breaker } = create()
  await breaker.fail()
  expect([breaker.state, breaker.isForced]).toEqual(['open', false])
})

test('an exchange that thinks better of it is no call and no sample', async () => {
  const { breaker } = create()
  for (let index = 0; index < 50; index++) {
    expect(await breaker.run({ gift: `VOUCHER:${index}`, method: 'POST' }, async () => undefined)).toBeUndefined()
  }
  expect(breaker.state).toBe('closed')
})

test('after a refusal of our credentials was lifted, one 503 does not open it', async () => {
  const { breaker, call, callMany } = create()
  await breaker.trip()
  expect(breaker.state).toBe('open')
  await sleep(MIN_OPEN_MS + 10)
  await Promise.all(Array.from({ length: 3 }, () => call(reply(200))))
  expect(breaker.state).toBe('closed')
  await callMany(1, reply(503))
  expect(breaker.state).toBe('closed')
})

test('what asks whether a call may be made rejects: so does the call, closed, open or trying, and it is no sample', async () => {
  const { breaker, callMany } = create()
  const failing = async (): Promise<HttpAnswer> => {
    throw new Error('the database is away')
  }
  const fail = () => breaker.run({ gift: 'VOUCHER:1', method: 'POST' }, failing)
  await expect(fail()).rejects.toThrow('the database is away')
  expect(breaker.state).toBe('closed')

  await callMany(20, reply(503))
  expect(breaker.state).toBe('open')
  expect(await fail()).toBeUndefined()
  await sleep(2 * MIN_OPEN_MS)
  await expect(fail()).rejects.toThrow('the database is away')
})
