import { describe, expect, test } from '@jest/globals'
import {
  areTaken,
  classifyLookup,
  classifyPost,
  type HttpAnswer,
  idempotencyKey,
  isClear,
  parseRetryAfter,
} from '#money/charge.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const reply = (status: number, body = '', retryAfter?: string): HttpAnswer => ({
  kind: 'reply',
  status,
  body,
  retryAfter,
})
const silence = (code: string): HttpAnswer => ({ kind: 'no-reply', error: Object.assign(new Error(code), { code }) })
const key = '{"transactionKey":"tx-1"}'

describe('what an answer to the POST means (docs/contract.md «Money API»)', () => {
  test.each<[name: string, answer: HttpAnswer, meaning: object]>([
    ['200 with a key', reply(200, key), { kind: 'charged', transactionKey: 'tx-1' }],
    ['201 with a key', reply(201, key), { kind: 'charged', transactionKey: 'tx-1' }],
    ['200 cut short', reply(200, '{"transactionKey":"tx'), { kind: 'unsettled', code: 'UNREADABLE_REPLY' }],
    ['200 without a key', reply(200, '{}'), { kind: 'unsettled', code: 'UNREADABLE_REPLY' }],
    [
      '200 with a number for a key',
      reply(200, '{"transactionKey":1}'),
      { kind: 'unsettled', code: 'UNREADABLE_REPLY' },
    ],
    ['200 with null', reply(200, 'null'), { kind: 'unsettled', code: 'UNREADABLE_REPLY' }],
    ['200 empty', reply(200), { kind: 'unsettled', code: 'UNREADABLE_REPLY' }],
    ['202', reply(202, key), { kind: 'unsettled', code: 'HTTP_202' }],
    ['204', reply(204), { kind: 'unsettled', code: 'HTTP_204' }],
    ['301', reply(301), { kind: 'unsettled', code: 'HTTP_301' }],
    ['307', reply(307), { kind: 'unsettled', code: 'HTTP_307' }],
    ['400', reply(400, 'bad'), { kind: 'refused', code: 'HTTP_400', message: 'bad' }],
    ['404', reply(404), { kind: 'refused', code: 'HTTP_404' }],
    ['422', reply(422), { kind: 'refused', code: 'HTTP_422' }],
    ['401', reply(401), { kind: 'unauthorized', code: 'HTTP_401' }],
    ['403', reply(403), { kind: 'unauthorized', code: 'HTTP_403' }],
    ['402', reply(402), { kind: 'unsettled', code: 'HTTP_402' }],
    ['408', reply(408), { kind: 'unsettled', code: 'HTTP_408' }],
    ['409', reply(409), { kind: 'unsettled', code: 'HTTP_409' }],
    ['410', reply(410), { kind: 'unsettled', code: 'HTTP_410' }],
    ['418', reply(418), { kind: 'unsettled', code: 'HTTP_418' }],
    ['429 with seconds', reply(429, '', '3'), { kind: 'unsettled', code: 'HTTP_429', retryAfterMs: 3000 }],
    ['500', reply(500), { kind: 'unsettled', code: 'HTTP_500' }],
    ['503 with a date', reply(503, '', 'Thu, 01 Jan 2026 00:00:05 GMT'), { kind: 'unsettled', retryAfterMs: 5000 }],
    ['time-out', silence('TIMEOUT'), { kind: 'unsettled', code: 'TIMEOUT' }],
    ['reset', silence('ECONNRESET'), { kind: 'unsettled', code: 'ECONNRESET' }],
    ['refused connection', silence('ECONNREFUSED'), { kind: 'unsettled', code: 'ECONNREFUSED' }],
    ['reply too large', silence('REPLY_TOO_LARGE'), { kind: 'unsettled', code: 'REPLY_TOO_LARGE' }],
  ])('%s', (_name, answer, meaning) => {
    expect(classifyPost(answer, NOW)).toMatchObject(meaning)
  })

  test('no status but the refusals leads to FAILED, no status but 200 and 201 to a charge', () => {
    for (let status = 100; status < 600; status++) {
      const { kind } = classifyPost(reply(status, key), NOW)
      expect([status, kind === 'refused']).toEqual([status, [400, 404, 422].includes(status)])
      expect([status, kind === 'charged']).toEqual([status, [200, 201].includes(status)])
    }
  })
})

describe('what an answer to the GET means', () => {
  test.each<[name: string, answer: HttpAnswer, meaning: object]>([
    ['200 with a key', reply(200, key), { kind: 'charged', transactionKey: 'tx-1' }],
    ['404', reply(404), { kind: 'no-charge' }],
    ['200 without a key', reply(200, '{}'), { kind: 'unsettled' }],
    ['400', reply(400), { kind: 'unsettled' }],
    ['401', reply(401), { kind: 'unauthorized' }],
    ['500', reply(500), { kind: 'unsettled' }],
    ['time-out', silence('TIMEOUT'), { kind: 'unsettled' }],
  ])('%s', (_name, answer, meaning) => {
    expect(classifyLookup(answer, NOW)).toMatchObject(meaning)
  })
})

test('text of the Money API is kept short and takes no NUL and no lone surrogate into the database', () => {
  const meaning = classifyPost(reply(500, `\0\ud800${'x'.repeat(2000)}`), NOW)
  const { message } = meaning as { message: string }
  expect(message.length).toBeLessThanOrEqual(500)
  expect(message.isWellFormed() && !message.includes('\0')).toBe(true)
})

test.each([
  ['0', 0],
  ['120', 120_000],
  [' 7 ', 7000],
  ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['86400', 86_400_000],
  ['86401', 86_400_000],
  ['999999999', 86_400_000],
  ['99999999999999999999', 86_400_000],
  ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
  ['-5', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['', undefined],
])('Retry-After %j is %j ms', (value, expected) => {
  expect(parseRetryAfter(value, NOW)).toBe(expected)
})

test('the idempotency key is a function of the target alone', () => {
  expect(idempotencyKey({ type: 'VOUCHER', targetId: '9007199254740993' })).toBe('VOUCHER:9007199254740993')
  expect(idempotencyKey({ type: 'POINT', targetId: '1' })).toBe('POINT:1')
})

test.each<[name: string, answer: HttpAnswer | undefined, areOurs: boolean | undefined]>([
  ['200', reply(200, key), true],
  ['404', reply(404), true],
  ['401', reply(401), false],
  ['403', reply(403), false],
  ['404 of a gateway', { ...reply(404), isDoubted: true } as HttpAnswer, undefined],
  ['503', reply(503), undefined],
  ['silence', silence('TIMEOUT'), undefined],
  ['no call', undefined, undefined],
])('whether our credentials are taken, by the answer to a GET: %s', (_name, answer, areOurs) => {
  expect(areTaken(answer)).toBe(areOurs)
})

test('silence is no clear answer', () => {
  expect([isClear('POST', silence('TIMEOUT')), isClear('GET', silence('TIMEOUT'))]).toEqual([false, false])
})
