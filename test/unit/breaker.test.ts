import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { type BreakerState, MoneyBreaker } from '#money/breaker.ts'
import type { HttpAnswer } from '#money/charge.ts'

const MIN_OPEN_MS = 30
const reply = (status: number): HttpAnswer => ({ kind: 'reply', status, body: '', retryAfter: undefined })
const silence = (code: string): HttpAnswer => ({ kind: 'no-reply', error: Object.assign(new Error(code), { code }) })

function create() {
  const states: BreakerState[] = []
  const breaker = new MoneyBreaker({ minOpenMs: MIN_OPEN_MS, onState: state => states.push(state) })
  let gift = 0
  const call = (answer: HttpAnswer, key = `VOUCHER:${gift++}`) => breaker.run(key, async () => answer)
  const callMany = async (count: number, answer: HttpAnswer) => {
    for (let index = 0; index < count; index++) await call(answer)
  }
  return { breaker, states, call, callMany }
}

test.each([
  reply(500),
  reply(503),
  reply(599),
  silence('TIMEOUT'),
  silence('ECONNRESET'),
  silence('ECONNREFUSED'),
  silence('UND_ERR_SOCKET'),
])('$kind $status$error.code of ten gifts opens it: no call is made any more', async answer => {
  const { breaker, callMany, call } = create()
  await callMany(9, answer)
  expect(breaker.state).toBe('closed')
  await callMany(1, answer)
  expect(breaker.state).toBe('open')
  expect(await call(reply(200))).toBeUndefined()
})

test.each([
  reply(200),
  reply(400),
  reply(404),
  reply(409),
  reply(422),
  reply(429),
  reply(301),
  silence('ABORTED'),
  silence('REPLY_TOO_LARGE'),
])('$kind $status$error.code never opens it', async answer => {
  const { breaker, callMany } = create()
  await callMany(500, answer)
  expect(breaker.state).toBe('closed')
})

test('it opens within a hundred calls after any number of good ones', async () => {
  const { breaker, callMany } = create()
  await callMany(5000, reply(200))
  await callMany(80, reply(503))
  expect(breaker.state).toBe('closed')
  await callMany(20, reply(503))
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

test('half-open, five calls decide and the others wait for their verdict', async () => {
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
  expect(bad.filter(answer => answer !== undefined)).toHaveLength(5)
  expect(states.slice(3)).toEqual(['open', 'half-open', 'open'])
})

test.each([401, 403])('a %d opens it at once; so does the word of another instance', async status => {
  const { breaker, call, callMany } = create()
  await callMany(200, reply(200))
  await call(reply(status))
  expect([breaker.state, breaker.isForced]).toEqual(['open', true])

  const other = create()
  await other.breaker.trip()
  expect([other.breaker.state, other.breaker.isForced]).toEqual(['open', true])
})

test('an exchange that thinks better of it is no call and no sample', async () => {
  const { breaker } = create()
  for (let index = 0; index < 50; index++) {
    expect(await breaker.run(`VOUCHER:${index}`, async () => undefined)).toBeUndefined()
  }
  expect(breaker.state).toBe('closed')
})
