import { afterEach, expect, jest, test } from '@jest/globals'
import { Belief } from '#money/belief.ts'
import { type HttpAnswer, sampleOf } from '#money/charge.ts'
import { Hearing } from '#money/hearing.ts'
import { createLogger } from '#runtime/logger.ts'

const reply = (status: number, body = '{}'): HttpAnswer => ({ kind: 'reply', status, body, retryAfter: undefined })
const PAID = reply(200, '{"transactionKey":"tx"}')

/** A Money API that gives each call this answer, and the GET of a key that we know as paid the other. */
function hearing(answer: HttpAnswer, paid: HttpAnswer) {
  const refusals: HttpAnswer[] = []
  const belief = new Belief({ ask: async () => paid, findPaid: async () => 'VOUCHER:1' })
  const heard = new Hearing({
    http: { exchange: async () => answer },
    belief,
    logger: createLogger('test', 'silent'),
    onFirstPostsRefused: refused => refusals.push(refused),
  })
  return { heard, refusals }
}

test.each([401, 403])(
  'a GET that is refused with %d is our credentials only when a paid key is refused too',
  async status => {
    const call = { method: 'GET', path: '/' } as const
    const gift = await hearing(reply(status), PAID).heard.exchange('VOUCHER:2', call, {})
    expect(gift).toMatchObject({ isDoubted: true })
    expect(sampleOf('GET', gift)).toBe('none')
    const ours = await hearing(reply(status), reply(status)).heard.exchange('VOUCHER:2', call, {})
    expect(sampleOf('GET', ours)).toBe('refused')
  },
)

test.each([401, 403])(
  'a POST that is refused with %d says nothing yet; more than 80 % of 20 first ones do',
  async status => {
    const { heard, refusals } = hearing(reply(status), PAID)
    const call = { method: 'POST', path: '/', body: '{}' } as const
    for (let gift = 1; gift <= 19; gift++) {
      const answer = await heard.exchange(`VOUCHER:${gift}`, call, { isFirst: true })
      expect(sampleOf('POST', answer)).toBe('none')
    }
    await heard.exchange('VOUCHER:1', call, { isFirst: false })
    expect(refusals).toEqual([])
    await heard.exchange('VOUCHER:20', call, { isFirst: true })
    expect(refusals).toHaveLength(1)
  },
)

test.each([
  ['a paid key is found', PAID, false],
  ['a paid key is not found either', reply(404), true],
  ['the GET of a paid key is not answered', reply(503), true],
])('a GET that is answered 404, and %s: is it doubted?', async (_name, paid, isDoubted) => {
  const call = { method: 'GET', path: '/' } as const
  for (const surety of ['heard', 'since'] as const) {
    const answer = await hearing(reply(404), paid).heard.exchange('VOUCHER:2', call, { surety })
    expect(answer).toMatchObject({ isDoubted })
    expect(sampleOf('GET', answer)).toBe(isDoubted ? 'unusable' : 'usable')
  }
})

afterEach(() => void jest.useRealTimers())

test('a fault of our own is said once a minute; silence of the other side is not ours', async () => {
  jest.useFakeTimers()
  const said: unknown[] = []
  const silent = (code: string): HttpAnswer => ({
    kind: 'no-reply',
    error: Object.assign(new Error(code), { code }),
    isUnsent: true,
  })
  let answer = silent('ECONNREFUSED')
  const heard = new Hearing({
    http: { exchange: async () => answer },
    belief: new Belief({ ask: async () => PAID }),
    logger: { error: (...args: unknown[]) => said.push(args) } as never,
    onFirstPostsRefused: () => undefined,
  })
  const call = () => heard.exchange('VOUCHER:1', { method: 'POST', path: '/', body: '{}' }, {})
  expect(await call()).toMatchObject({ kind: 'no-reply' })
  expect(said).toHaveLength(0)
  answer = silent('UND_ERR_INVALID_ARG')
  await call()
  await call()
  expect(said).toHaveLength(1)
  jest.advanceTimersByTime(59_999)
  await call()
  expect(said).toHaveLength(1)
  jest.advanceTimersByTime(1)
  await call()
  expect(said).toHaveLength(2)
})

test('it tells how long the answer took, in seconds', async () => {
  jest.useFakeTimers()
  jest.advanceTimersByTime(5000)
  const heard = new Hearing({
    http: { exchange: () => new Promise(resolve => setTimeout(() => resolve(PAID), 250)) },
    belief: new Belief({ ask: async () => PAID }),
    logger: createLogger('test', 'silent'),
    onFirstPostsRefused: () => undefined,
  })
  const exchange = heard.exchange('VOUCHER:1', { method: 'POST', path: '/', body: '{}' }, {})
  await jest.advanceTimersByTimeAsync(250)
  expect(await exchange).toMatchObject({ kind: 'reply', seconds: 0.25 })
})

/** Calls that are answered so, one after the other, and which keys are asked about beside them. */
function hearingOf(...answers: HttpAnswer[]) {
  const asked: string[] = []
  const heard = new Hearing({
    http: { exchange: async () => answers.shift() as HttpAnswer },
    belief: new Belief({
      ask: async key => {
        asked.push(key)
        return PAID
      },
    }),
    logger: createLogger('test', 'silent'),
    onFirstPostsRefused: () => undefined,
  })
  return { heard, asked }
}

test('whose word a 404 is, is asked by the gift that was charged before', async () => {
  const { heard, asked } = hearingOf(PAID, reply(404))
  await heard.exchange('VOUCHER:1', { method: 'POST', path: '/', body: '{}' }, {})
  expect(await heard.exchange('VOUCHER:2', { method: 'GET', path: '/' }, {})).toMatchObject({ isDoubted: false })
  expect(asked).toEqual(['VOUCHER:1'])
})

test('the 404 of a POST is not doubted here, and costs no question: the GET after it tells', async () => {
  const { heard, asked } = hearingOf(PAID, reply(404))
  await heard.exchange('VOUCHER:1', { method: 'POST', path: '/', body: '{}' }, {})
  const answer = await heard.exchange('VOUCHER:2', { method: 'POST', path: '/', body: '{}' }, {})
  expect([answer, asked]).toEqual([{ ...reply(404), seconds: expect.any(Number) }, []])
})
