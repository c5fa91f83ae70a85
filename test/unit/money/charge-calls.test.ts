import { describe, expect, test } from '@jest/globals'
import type { ChargeRequest, HttpAnswer } from '#money/charge.ts'
import { createChargeCalls } from '#money/charge-calls.ts'
import type { Blocked, ExchangeOptions } from '#money/gate.ts'
import type { HttpCall } from '#money/http.ts'
import { withSpan } from '#runtime/tracing.ts'
import { collectSpans } from '#test/support/spans.ts'

const KEY = 'VOUCHER:7'
const REQUEST: ChargeRequest = { type: 'VOUCHER', promotionId: '1', targetId: '7', memberId: '3', amount: '500' }
const BLOCKED: Blocked = { kind: 'blocked', reason: 'the Money API is down' }
const PAID: HttpAnswer = { kind: 'reply', status: 200, body: '{"transactionKey":"tx-7"}', retryAfter: undefined }
const failed = (code: string, more: object = {}): HttpAnswer => ({
  kind: 'no-reply',
  error: Object.assign(new Error(code), { code }),
  ...more,
})

/** Calls that are all answered so, what the gate was given, and what was told of the exchanges. */
function callsOf(answer: HttpAnswer | Blocked) {
  const sent: { gift: string; call: HttpCall; how: ExchangeOptions | undefined }[] = []
  const told: unknown[][] = []
  const calls = createChargeCalls({
    gate: {
      exchange: async (gift, call, how) => {
        sent.push({ gift, call, how })
        return answer.kind === 'blocked' ? answer : { ...answer, seconds: 0.25 }
      },
    },
    onExchange: (...args) => void told.push(args),
  })
  return { calls, sent, told }
}

test('a POST carries the key of its gift, and a body of the row’s five fields alone', async () => {
  const { calls, sent } = callsOf(PAID)
  await calls.post(KEY, { ...REQUEST, status: 'PENDING' } as never, {})
  expect(sent[0]?.gift).toBe(KEY)
  expect(sent[0]?.call).toMatchObject({
    method: 'POST',
    path: '/v1/campaign-charges',
    headers: { 'content-type': 'application/json', 'idempotency-key': KEY },
  })
  expect(JSON.parse(sent[0]?.call.body ?? '')).toEqual(REQUEST)
})

test.each([
  [{}, false],
  [{ isFirst: false }, false],
  [{ isFirst: true }, true],
])('whether a POST is its gift’s first is as its caller says, else it is not: %j', async (options, isFirst) => {
  const { calls, sent } = callsOf(PAID)
  await calls.post(KEY, REQUEST, options)
  expect(sent[0]?.how?.isFirst).toBe(isFirst)
})

test.each<[name: string, answer: HttpAnswer, meaning: string, code: string | undefined]>([
  ['charged', PAID, 'charged', undefined],
  ['not answered', failed('TIMEOUT'), 'unsettled', 'TIMEOUT'],
  ['refused', { ...PAID, status: 422 }, 'refused', 'HTTP_422'],
])('an exchange is told of, with what it came to: %s', async (_name, answer, meaning, code) => {
  const { calls, told } = callsOf(answer)
  await calls.post(KEY, REQUEST, {})
  expect(told).toEqual([['POST', meaning, 0.25, code, '1']])
})

test('so is a GET, which is of no promotion', async () => {
  const { calls, told } = callsOf({ ...PAID, status: 404 })
  await calls.get(KEY, {})
  expect(told).toEqual([['GET', 'no-charge', 0.25, undefined, undefined]])
})

test.each<[string, HttpAnswer | Blocked]>([
  ['blocked', BLOCKED],
  ['never sent', failed('ECONNREFUSED', { isUnsent: true })],
])('a POST that was %s is no exchange', async (_name, answer) => {
  const { calls, told } = callsOf(answer)
  expect(await calls.post(KEY, REQUEST, {})).toMatchObject({ kind: 'blocked' })
  expect(told).toEqual([])
})

test('what ends a call goes with it: a POST and a GET are given up with their signal', async () => {
  const { calls, sent } = callsOf(PAID)
  const { signal } = new AbortController()
  await calls.post(KEY, REQUEST, { signal })
  await calls.get(KEY, { signal })
  expect(sent.map(({ call }) => call.signal)).toEqual([signal, signal])
})

test('a GET that was never sent says nothing of the gift', async () => {
  const { calls } = callsOf(failed('ECONNREFUSED', { isUnsent: true }))
  expect(await calls.get(KEY, {})).toMatchObject({ kind: 'unsettled', code: 'ECONNREFUSED' })
})

test('without a trace a call has no header of one', async () => {
  const { calls, sent } = callsOf(PAID)
  await calls.get(KEY, {})
  expect(sent[0]?.call.headers).toBeUndefined()
})

describe('where gifts are traced', () => {
  const take = collectSpans()
  const paying = (work: () => Promise<unknown>) => withSpan('payment', { kind: 'consumer' }, work)

  test.each<[name: string, answer: HttpAnswer | Blocked, attributes: object]>([
    ['answered', PAID, { 'http.response.status_code': 200 }],
    ['not answered', failed('TIMEOUT'), { 'error.type': 'TIMEOUT' }],
    ['blocked', BLOCKED, { 'error.type': BLOCKED.reason }],
  ])('a call that is %s has a span, which goes with it', async (_name, answer, attributes) => {
    const { calls, sent } = callsOf(answer)
    await paying(() => calls.post(KEY, REQUEST, {}))
    const [span, payment] = take()
    expect(span).toMatchObject({ name: 'POST /v1/campaign-charges' })
    expect(span?.attributes).toEqual({
      'http.request.method': 'POST',
      'url.path': '/v1/campaign-charges',
      'promostream.key': KEY,
      ...attributes,
    })
    expect(span?.parentSpanContext?.spanId).toBe(payment?.spanContext().spanId)
    const { traceId, spanId } = span!.spanContext()
    expect(sent[0]?.call.headers).toMatchObject({ traceparent: `00-${traceId}-${spanId}-01`, 'idempotency-key': KEY })
  })
})
