import { describe, expect, test } from '@jest/globals'
import {
  classifyLookup,
  codeOf,
  type HttpAnswer,
  type HttpMethod,
  isCharge,
  isClear,
  isOwnFault,
  sampleOf,
} from '#money/charge.ts'

const KEY = '{"transactionKey":"tx-1"}'
const reply = (status: number, body = KEY, more: object = {}): HttpAnswer => ({
  ...{ kind: 'reply', status, body, retryAfter: undefined },
  ...more,
})
const silence = (code: unknown, more: object = {}): HttpAnswer => ({
  kind: 'no-reply',
  error: Object.assign(new Error('no answer'), { code }),
  ...more,
})

test.each<[name: string, answer: HttpAnswer, post: string, get: string]>([
  ['a charge', reply(200), 'usable', 'usable'],
  ['a new charge, which no GET makes', reply(201), 'usable', 'unusable'],
  ['200 without a key', reply(200, '{}'), 'unusable', 'unusable'],
  ['a refusal of a gift', reply(400), 'none', 'unusable'],
  ['another one', reply(422), 'none', 'unusable'],
  ['404', reply(404), 'unusable', 'usable'],
  ['404 that may be a gateway’s', reply(404, '', { isDoubted: true }), 'unusable', 'unusable'],
  ['401', reply(401), 'none', 'refused'],
  ['403', reply(403), 'none', 'refused'],
  ['403 for one gift alone', reply(403, '', { isDoubted: true }), 'none', 'none'],
  ['429', reply(429), 'unusable', 'unusable'],
  ['503', reply(503), 'unusable', 'unusable'],
  ['silence', silence('TIMEOUT'), 'unusable', 'unusable'],
  ['silence while we stood still', silence('TIMEOUT', { isStalled: true }), 'none', 'none'],
  ['a call that we gave up', silence('ABORTED'), 'none', 'none'],
  ['a call that our client refused', silence('UND_ERR_INVALID_ARG', { isUnsent: true }), 'none', 'none'],
  ['a connection that was refused', silence('ECONNREFUSED', { isUnsent: true }), 'unusable', 'unusable'],
])('what %s says of the Money API as a whole', (_name, answer, post, get) => {
  expect([sampleOf('POST', answer), sampleOf('GET', answer)]).toEqual([post, get])
})

test('only the Money API itself gives a clear answer: a charge, or a refusal of a POST', () => {
  const clear = (method: HttpMethod) =>
    Array.from({ length: 500 }, (_, at) => at + 100).filter(status => isClear(method, reply(status)))
  expect([clear('POST'), clear('GET')]).toEqual([[200, 201, 400, 422], [200]])
  expect([isClear('POST', reply(200, '')), isClear('POST', silence('TIMEOUT'))]).toEqual([false, false])
})

test('a charge is a 200, or a 201 to a POST, with a transaction key', () => {
  const charges = (method: HttpMethod) =>
    Array.from({ length: 500 }, (_, at) => at + 100).filter(status => isCharge(method, reply(status)))
  expect([charges('POST'), charges('GET')]).toEqual([[200, 201], [200]])
  expect(isCharge('POST', silence('TIMEOUT'))).toBe(false)
})

test.each(['', '{', 'null', '{}', '{"transactionKey":""}', '{"transactionKey":1}', '{"transactionKey":"a\\u0000b"}'])(
  '%j is no charge: its key cannot be kept',
  body => {
    expect([isCharge('POST', reply(200, body)), isCharge('GET', reply(200, body))]).toEqual([false, false])
  },
)

test('of two answers that follow each other each is read by itself', () => {
  expect([KEY, '{}', KEY].map(body => isCharge('GET', reply(200, body)))).toEqual([true, false, true])
})

describe('a fault of our own', () => {
  test.each([
    ['UND_ERR_INVALID_ARG', true],
    ['UND_ERR_DESTROYED', true],
    ['UND_ERR_CLOSED', true],
    ['ERR_INVALID_CHAR', true],
    [undefined, true],
    ['UND_ERR_SOCKET', false],
    ['UND_ERR_CONNECT_TIMEOUT', false],
    ['ECONNREFUSED', false],
    ['MY_ERR_X', false],
  ])('a call that was not sent for %s is one: %p', (code, isOurs) => {
    expect(isOwnFault(silence(code, { isUnsent: true }))).toBe(isOurs)
  })

  test('what was sent is none, nor is an answer', () => {
    expect([isOwnFault(silence('UND_ERR_INVALID_ARG')), isOwnFault(reply(500))]).toEqual([false, false])
  })
})

test.each([
  [reply(503), 'HTTP_503'],
  [silence('TIMEOUT'), 'TIMEOUT'],
  [silence(undefined), 'NO_REPLY'],
  [silence(7), 'NO_REPLY'],
])('the code of %j is %s', (answer, code) => {
  expect(codeOf(answer)).toBe(code)
})

test.each(['', '{', 'null', '{"amount":"5"}'])('the GET’s answer %j tells neither a charge nor an amount', body => {
  const meaning = classifyLookup(reply(200, body), 0)
  expect(meaning).toMatchObject({ kind: 'unsettled', code: 'UNREADABLE_REPLY' })
  expect(meaning).not.toHaveProperty('amount')
})
