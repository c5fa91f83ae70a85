import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { HttpAnswer } from '#money/charge.ts'
import { MoneyGate } from '#money/gate.ts'
import type { MoneyGateOptions } from '#money/gate-options.ts'
import type { HttpCall } from '#money/http.ts'
import { createLogger } from '#runtime/logger.ts'

const gates: MoneyGate[] = []

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00Z') })
  jest.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(async () => {
  for (const gate of gates.splice(0)) {
    await gate.service.start()
    await gate.service.stop()
  }
  jest.restoreAllMocks()
  jest.useRealTimers()
})

const reply = (status: number): HttpAnswer => ({
  kind: 'reply',
  status,
  body: status === 200 ? '{"transactionKey":"tx"}' : '',
  retryAfter: undefined,
})
const POST: HttpCall = { method: 'POST', path: '/', body: '' }
const GET: HttpCall = { method: 'GET', path: '/' }
const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)
const away = () => Promise.reject(new Error('Redis is away'))

/** A gate without Redis, whose calls are answered so, and what was sent. */
function gateOf(answer: (call: HttpCall) => HttpAnswer | Promise<HttpAnswer>, options: Partial<MoneyGateOptions> = {}) {
  const sent: string[] = []
  const exchange = async (call: HttpCall) => {
    sent.push(`${call.method} ${call.path}`)
    return answer(call)
  }
  const gate = new MoneyGate({
    http: { exchange } as never,
    redis: { status: 'end', get: away, set: away, zadd: away } as never,
    rateLimit: 0,
    probePath: key => `/${key}`,
    logger: createLogger('test', 'silent'),
    ...options,
  })
  gates.push(gate)
  return { gate, sent }
}

const WITHDRAWN = { kind: 'blocked', reason: 'not wanted any more when its turn had come' }

test.each([0, 100])('what is not wanted when its turn has come is not sent (rate limit %d)', async rateLimit => {
  const { gate, sent } = gateOf(() => reply(200), { rateLimit })
  for (const mayCall of [() => false, async () => false]) {
    const call = gate.exchange('VOUCHER:1', POST, { mayCall })
    await passing(1000)
    expect(await call).toEqual(WITHDRAWN)
  }
  expect(sent).toEqual([])
  for (const mayCall of [() => true, async () => true]) {
    const call = gate.exchange('VOUCHER:1', POST, { mayCall })
    await passing(1000)
    expect(await call).toMatchObject({ kind: 'reply', status: 200 })
  }
})

test('what is not wanted leaves its permit and its place to the next', async () => {
  const { gate, sent } = gateOf(() => reply(200), { rateLimit: 1 })
  const first = gate.exchange('VOUCHER:1', POST, { mayCall: () => false })
  const second = gate.exchange('VOUCHER:2', POST)
  await passing(900)
  expect([await first, (await second).kind, sent.length]).toEqual([WITHDRAWN, 'reply', 1])
})

test('a question that fails fails its call, and leaves its place', async () => {
  const { gate, sent } = gateOf(() => reply(200), { maxInFlight: 1 })
  for (let call = 0; call < 3; call++)
    await expect(gate.exchange('VOUCHER:1', POST, { mayCall: away })).rejects.toThrow('Redis is away')
  expect(await gate.exchange('VOUCHER:1', POST)).toMatchObject({ kind: 'reply' })
  expect(sent).toHaveLength(1)
})

test('the rate limit counts over all calls: at ten a second, ten', async () => {
  const { gate, sent } = gateOf(() => reply(200), { rateLimit: 10 })
  const all = Array.from({ length: 100 }, (_, gift) => gate.exchange(`VOUCHER:${gift}`, POST))
  await passing(1950)
  expect(sent.length).toBeGreaterThan(10)
  expect(sent.length).toBeLessThanOrEqual(21)
  expect([gate.status.rateLimited, gate.callsWaiting]).toEqual([true, 100 - sent.length])
  await gate.waiting.start()
  await gate.waiting.stop()
  const rest = (await Promise.all(all)).filter(({ kind }) => kind === 'blocked')
  expect(rest).toEqual(rest.map(() => ({ kind: 'blocked', reason: 'stopping' })))
  expect(rest.length).toBeGreaterThan(50)
})

test('without a limit nothing waits for one', async () => {
  const { gate } = gateOf(() => reply(200))
  await gate.exchange('VOUCHER:1', POST)
  expect([gate.status.rateLimited, gate.callsWaiting, gate.callLimit]).toEqual([false, 0, undefined])
})

test('a gate that follows what the Money API bears begins with a few at once, and tells how many', async () => {
  const { gate, sent } = gateOf(() => new Promise(() => undefined), { isAdaptive: true, maxInFlight: 100 })
  await passing(5000)
  for (let gift = 0; gift < 50; gift++) void gate.exchange(`VOUCHER:${gift}`, POST)
  await passing(0)
  expect([gate.callLimit, sent.length, gate.callsWaiting]).toEqual([10, 10, 40])
})

test('and lets in more at once when they are answered as fast', async () => {
  const { gate } = gateOf(() => new Promise(resolve => setTimeout(() => resolve(reply(200)), 50)), {
    isAdaptive: true,
    maxInFlight: 1000,
  })
  await passing(5000)
  for (let gift = 0; gift < 2000; gift++) void gate.exchange(`VOUCHER:${gift}`, POST)
  await passing(5000)
  expect(gate.callLimit).toBeGreaterThan(20)
})

test('a GET refused beside a paid key that is refused too: our credentials, and everything is blocked', async () => {
  const { gate, sent } = gateOf(() => reply(401), { findPaid: async () => 'POINT:7' })
  const told: boolean[] = []
  gate.onBlocked(isBlocked => told.push(isBlocked))
  await gate.exchange('VOUCHER:1', GET)
  await passing(0)
  expect(gate.status).toMatchObject({ credentialsRefused: true, credentialsRefusedSince: expect.any(String) })
  expect([gate.isBlocked, gate.isTroubled, told]).toEqual([true, true, [true]])
  const before = sent.length
  expect(await gate.exchange('VOUCHER:2', POST)).toEqual({
    kind: 'blocked',
    reason: 'the Money API refuses our credentials (HTTP_401)',
  })
  expect(sent).toHaveLength(before)
})

test('a paid key that is taken again lifts it', async () => {
  let status = 401
  const { gate, sent } = gateOf(() => reply(status), { findPaid: async () => 'POINT:7' })
  await gate.service.start()
  await gate.exchange('VOUCHER:1', GET)
  await passing(0)
  status = 200
  await passing(7000)
  expect([gate.isBlocked, gate.status.credentialsRefused, sent.at(-1)]).toEqual([false, false, 'GET /POINT:7'])
  expect(await gate.exchange('VOUCHER:2', POST)).toMatchObject({ kind: 'reply', status: 200 })
})

test('a shell with a wrong token stops nobody', async () => {
  const { gate } = gateOf(() => reply(401), { tellsRefusals: false, findPaid: async () => 'POINT:7' })
  expect(await gate.exchange('VOUCHER:1', GET)).toMatchObject({ kind: 'reply', status: 401 })
  await passing(0)
  expect([gate.isBlocked, gate.status.credentialsRefused]).toEqual([false, false])
})

test('before anything was called all is well', () => {
  const { gate } = gateOf(() => reply(200))
  expect(gate.status).toMatchObject({
    breaker: 'closed',
    breakerReason: null,
    credentialsRefused: false,
    credentialsRefusedSince: null,
  })
  expect([gate.isBlocked, gate.isTroubled]).toEqual([false, false])
})

/** A gate that ten gifts in vain have blocked, without a paid key. */
async function blocked() {
  const state = { get: reply(503), post: reply(503) }
  const { gate, sent } = gateOf(({ method }) => (method === 'GET' ? state.get : state.post))
  const told: boolean[] = []
  gate.onBlocked(isBlocked => told.push(isBlocked))
  await passing(5000)
  for (let gift = 1; gift <= 10; gift++) await gate.exchange(`VOUCHER:${gift}`, POST)
  expect(told).toEqual([true])
  return { gate, sent, told, state }
}

test('down, the last gift’s key is asked for; once that is answered a few POSTs find out, and close it', async () => {
  const { gate, sent, told, state } = await blocked()
  const since = gate.status.breakerSince
  sent.splice(0)
  await passing(3000)
  expect(sent).toEqual(['GET /VOUCHER:10', 'GET /VOUCHER:10'])
  state.get = reply(404)
  await passing(2000)
  expect(told).toEqual([true, false])
  expect(gate.status).toMatchObject({ breaker: 'half-open', breakerReason: 'HTTP_503', breakerSince: since })
  expect([gate.isBlocked, gate.isTroubled]).toEqual([false, true])

  state.post = reply(200)
  for (let gift = 1; gift <= 3; gift++) await gate.exchange(`VOUCHER:${gift}`, POST)
  expect(gate.status).toMatchObject({ breaker: 'closed', breakerReason: null })
  expect(gate.status.breakerSince > since).toBe(true)
  expect(gate.isTroubled).toBe(false)
})

test('GETs that are answered while the POSTs are not: it is blocked again, and told so', async () => {
  const { gate, told, state } = await blocked()
  state.get = reply(404)
  await passing(1000)
  const answers = await Promise.all([1, 2, 3, 4, 5].map(gift => gate.exchange(`VOUCHER:${gift}`, POST)))
  expect([gate.isBlocked, told]).toEqual([true, [true, false, true]])
  // Three find out, and whoever waits for their verdict hears why nothing is sent.
  const reason = 'the Money API gives no usable answer (HTTP_503)'
  expect(answers.map(({ kind }) => kind)).toEqual(['reply', 'reply', 'reply', 'blocked', 'blocked'])
  expect(answers.slice(3)).toEqual(Array(2).fill({ kind: 'blocked', reason }))
})

test('down, and the last gift’s GET is refused: our credentials', async () => {
  const { gate, state } = await blocked()
  state.get = reply(403)
  await passing(1000)
  expect(gate.status.credentialsRefused).toBe(true)
})
