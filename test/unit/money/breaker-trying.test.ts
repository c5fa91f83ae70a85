import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { type BreakerState, MoneyBreaker } from '#money/breaker.ts'
import type { HttpAnswer, HttpMethod } from '#money/charge.ts'

const MIN_OPEN_MS = 1000
const reply = (status: number): HttpAnswer => ({
  kind: 'reply',
  status,
  body: status < 300 ? '{"transactionKey":"tx-1"}' : '',
  retryAfter: undefined,
})

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

function create() {
  const states: BreakerState[] = []
  const breaker = new MoneyBreaker({ minOpenMs: MIN_OPEN_MS, onState: state => states.push(state) })
  const call = (answer: HttpAnswer | undefined, gift: string, method: HttpMethod = 'POST') =>
    breaker.run({ gift, method }, async () => answer)
  const fill = async (answer: HttpAnswer) => {
    for (let gift = 0; gift < 10; gift++) await call(answer, `VOUCHER:${gift}`)
  }
  return { breaker, states, call, fill }
}

/** A breaker that was opened by ten gifts, and may be tried again. */
async function createTrying() {
  const created = create()
  await created.fill(reply(503))
  expect(created.states).toEqual(['open'])
  jest.advanceTimersByTime(MIN_OPEN_MS)
  return created
}

test('a new one has no refusal', () => {
  const { breaker } = create()
  expect([breaker.state, breaker.isForced]).toEqual(['closed', false])
})

test('while it is tried, an answer that says nothing of the Money API is its caller’s all the same, and no verdict', async () => {
  const { breaker, states, call } = await createTrying()
  expect(await call(reply(422), 'VOUCHER:20')).toEqual(reply(422))
  expect(await call(undefined, 'VOUCHER:21')).toBeUndefined()
  expect([breaker.state, states]).toEqual(['half-open', ['open', 'half-open']])
})

test('the gifts that opened it count again when it is tried: still without an answer, they open it again', async () => {
  const { states, call } = await createTrying()
  await Promise.all(['VOUCHER:0', 'VOUCHER:1', 'VOUCHER:2'].map(gift => call(reply(503), gift)))
  expect(states).toEqual(['open', 'half-open', 'open'])
})

test('what was sent before it opened is its caller’s, and says nothing of the calls that try', async () => {
  const { breaker, states, call, fill } = create()
  const answers = Array.from({ length: 5 }, () => Promise.withResolvers<HttpAnswer>())
  const early = answers.map(({ promise }, at) => breaker.run({ gift: `EARLY:${at}`, method: 'POST' }, () => promise))
  await fill(reply(503))
  answers[0]?.resolve(reply(503))
  expect(await early[0]).toEqual(reply(503))
  expect(states).toEqual(['open'])

  jest.advanceTimersByTime(MIN_OPEN_MS)
  const trying = Promise.withResolvers<HttpAnswer>()
  const first = breaker.run({ gift: 'VOUCHER:20', method: 'POST' }, () => trying.promise)
  for (const { resolve } of answers.slice(1)) resolve(reply(503))
  expect(await Promise.all(early.slice(1))).toEqual(Array(4).fill(reply(503)))
  expect(states).toEqual(['open', 'half-open'])
  trying.resolve(reply(200))
  await first
  await Promise.all([call(reply(200), 'VOUCHER:21'), call(reply(200), 'VOUCHER:22')])
  expect(states).toEqual(['open', 'half-open', 'closed'])
})

test('refused credentials open it though the gift was in vain before', async () => {
  const { breaker, call } = create()
  await call(reply(503), 'VOUCHER:1', 'GET')
  await call(reply(401), 'VOUCHER:1', 'GET')
  expect([breaker.state, breaker.isForced]).toEqual(['open', true])
})

test('an outage after a refusal is no refusal any more', async () => {
  const { breaker } = create()
  await breaker.trip()
  await breaker.fail()
  expect([breaker.state, breaker.isForced]).toEqual(['open', false])
})
