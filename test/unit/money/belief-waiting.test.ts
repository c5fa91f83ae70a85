import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Belief, type BeliefOptions, type Surety } from '#money/belief.ts'
import type { HttpAnswer } from '#money/charge.ts'

const reply = (status: number): HttpAnswer => ({
  kind: 'reply',
  status,
  body: '{"transactionKey":"tx"}',
  retryAfter: undefined,
})
const POST = { method: 'POST' } as const
const GET = { method: 'GET' } as const

beforeEach(() => {
  jest.useFakeTimers()
  jest.advanceTimersByTime(100_000)
})
afterEach(() => void jest.useRealTimers())

const passing = (ms: number) => jest.advanceTimersByTimeAsync(ms)

/** Which keys are asked about, and the answer to each. */
function beliefOf(answer: () => HttpAnswer | Promise<HttpAnswer>, options: Partial<BeliefOptions> = {}) {
  const asked: string[] = []
  const belief = new Belief({
    ask: async key => {
      asked.push(key)
      return answer()
    },
    ...options,
  })
  return { belief, asked }
}

/** What is believed of VOUCHER:1's 404 to a GET that was sent so long ago; undefined: that is not known yet. */
function believing(belief: Belief, surety: Surety, agoMs = 0) {
  const outcome: { isBelieved?: boolean } = {}
  void belief.believes('VOUCHER:1', surety, performance.now() - agoMs).then(isBelieved => {
    outcome.isBelieved = isBelieved
  })
  return outcome
}

test.each<[Surety, boolean]>([
  ['heard', true],
  ['young', true],
  ['since', false],
])(
  'a clear answer that comes while the 404 is on its way, to an older call: enough for «%s» without a question: %p',
  async (surety, isEnough) => {
    const { belief, asked } = beliefOf(() => reply(200))
    belief.note('VOUCHER:2', POST, reply(200), performance.now() - 500)
    const outcome = believing(belief, surety, 0)
    await passing(0)
    expect(outcome).toEqual({ isBelieved: true })
    expect(asked).toEqual(isEnough ? [] : ['VOUCHER:2'])
  },
)

test('where no key is known, the 404 waits a quarter of a second for another call’s answer, and asks nobody if it comes', async () => {
  const { belief, asked } = beliefOf(() => reply(404))
  const outcome = believing(belief, 'since', 10)
  await passing(200)
  expect(outcome).toEqual({})
  belief.note('VOUCHER:2', POST, reply(200), performance.now() - 50)
  await passing(50)
  expect([outcome, asked]).toEqual([{ isBelieved: true }, []])
})

test('where a key is known, or a clear answer is ten seconds old at most, nobody waits', async () => {
  const known = beliefOf(() => reply(200))
  known.belief.note('VOUCHER:2', POST, reply(200), performance.now())
  const unknown = beliefOf(() => reply(404))
  unknown.belief.note('VOUCHER:2', POST, reply(422), performance.now())
  await passing(10_000)
  const outcomes = [believing(known.belief, 'since'), believing(unknown.belief, 'since')]
  await passing(0)
  expect(outcomes).toEqual([{ isBelieved: true }, { isBelieved: true }])
})

test('without a key to ask about, a clear answer counts for ten seconds, and no longer', async () => {
  const { belief } = beliefOf(() => reply(404))
  belief.note('VOUCHER:2', POST, reply(422), performance.now())
  await passing(10_001)
  const outcome = believing(belief, 'since')
  await passing(250)
  expect(outcome).toEqual({ isBelieved: false })
})

test('only POSTs that find no route make its absence likely: not a GET’s 404, not a POST’s 503, not silence', async () => {
  const { belief } = beliefOf(() => reply(200))
  belief.note('VOUCHER:9', POST, reply(200), performance.now() - 100)
  belief.note('VOUCHER:2', GET, reply(404), performance.now())
  belief.note('VOUCHER:3', POST, reply(503), performance.now())
  belief.note('VOUCHER:4', POST, { kind: 'no-reply', error: new Error('TIMEOUT') }, performance.now())
  await passing(1)
  const outcome = believing(belief, 'since')
  await passing(0)
  expect(outcome).toEqual({ isBelieved: true })
})

test('who asks while the question is on its way gets the answer to the next one, all of them to the same', async () => {
  const answers = [Promise.withResolvers<HttpAnswer>(), Promise.withResolvers<HttpAnswer>()] as const
  let questions = 0
  const { belief, asked } = beliefOf(() => answers[questions++]!.promise)
  belief.note('VOUCHER:2', POST, reply(200), performance.now())
  const first = belief.confirm()
  await passing(0)
  const later = [belief.confirm(), belief.confirm(), belief.confirm()]
  answers[0].resolve(reply(503))
  expect(await first).toBe('nothing')
  await passing(0)
  answers[1].resolve(reply(200))
  expect(await Promise.all(later)).toEqual(['paid', 'paid', 'paid'])
  expect(asked).toEqual(['VOUCHER:2', 'VOUCHER:2'])
  expect(questions).toBe(2)
})

test('what was answered to those who waited once is not told to those who wait later', async () => {
  const answers = Array.from({ length: 4 }, () => Promise.withResolvers<HttpAnswer>())
  let questions = 0
  const { belief } = beliefOf(() => answers[questions++]!.promise)
  belief.note('VOUCHER:2', POST, reply(200), performance.now())
  const early = [belief.confirm(), belief.confirm()]
  answers[0]!.resolve(reply(503))
  answers[1]!.resolve(reply(503))
  expect(await Promise.all(early)).toEqual(['nothing', 'nothing'])
  const late = [belief.confirm(), belief.confirm()]
  answers[2]!.resolve(reply(503))
  answers[3]!.resolve(reply(200))
  expect(await Promise.all(late)).toEqual(['nothing', 'paid'])
})

test.each([
  ['charged', reply(200), 'paid'],
  ['not known', reply(404), 'missing'],
  ['not answered', reply(503), 'nothing'],
  ['silent', { kind: 'no-reply', error: new Error('TIMEOUT') } as HttpAnswer, 'nothing'],
])('what the GET of a paid key says: %s', async (_name, answer, word) => {
  const { belief } = beliefOf(() => answer, { findPaid: async () => 'POINT:7' })
  expect(await belief.confirm()).toBe(word)
})

test('a question that cannot be made says nothing, one without a key that there is none', async () => {
  const unable = new Belief({ ask: async () => undefined, findPaid: async () => 'POINT:7' })
  expect([await unable.confirm(), unable.paidKey]).toEqual(['nothing', 'POINT:7'])
  const failing = beliefOf(() => reply(200), { findPaid: () => Promise.reject(new Error('PostgreSQL is away')) })
  expect([await failing.belief.confirm(), failing.asked]).toEqual(['no-key', []])
})

test('a clear answer to a question is one for all: a 404 that was sent before needs no other', async () => {
  const { belief, asked } = beliefOf(() => reply(200), { findPaid: async () => 'POINT:7' })
  const sentAtMs = performance.now()
  await belief.confirm()
  expect(belief.isClearSince(sentAtMs)).toBe(true)
  expect(await belief.believes('VOUCHER:1', 'since', sentAtMs)).toBe(true)
  expect(asked).toEqual(['POINT:7'])
})

test('a precaution is not taken for word where something clear was heard here before', async () => {
  const { belief } = beliefOf(() => reply(404), { hasPaid: async () => false })
  belief.note('VOUCHER:2', POST, reply(422), performance.now())
  await passing(60_000)
  const outcome = believing(belief, 'young')
  await passing(250)
  expect(outcome).toEqual({ isBelieved: false })
})

test('an old clear answer that arrives late takes nothing back', async () => {
  const { belief } = beliefOf(() => reply(404))
  const sentAtMs = performance.now()
  belief.note('VOUCHER:2', POST, reply(200), sentAtMs)
  belief.note('VOUCHER:3', POST, reply(200), sentAtMs - 5000)
  expect(belief.isClearSince(sentAtMs)).toBe(true)
})
