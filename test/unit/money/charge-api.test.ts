import { expect, test } from '@jest/globals'
import { type ChargeRequest, type HttpAnswer, isKeyOld, toChargeRequest } from '#money/charge.ts'
import { createMoneyCampaignChargeApi } from '#money/charge-api.ts'
import type { Blocked } from '#money/gate.ts'

const REQUEST: ChargeRequest = { type: 'VOUCHER', promotionId: '1', targetId: '7', memberId: '3', amount: '500' }
const BLOCKED: Blocked = { kind: 'blocked', reason: 'the Money API is down' }
const reply = (status: number, body = '{"transactionKey":"tx-7"}'): HttpAnswer => ({
  kind: 'reply',
  status,
  body,
  retryAfter: undefined,
})

const doubted = (status: number): HttpAnswer => ({ ...reply(status), isDoubted: true }) as HttpAnswer
const unsent = (code: string): HttpAnswer => ({
  kind: 'no-reply',
  error: Object.assign(new Error(code), { code }),
  isUnsent: true,
})

/** A gate that lets everything through; nobody else has been answered. */
const QUIET = {
  isTroubled: false,
  isClearSince: () => false,
  reportOutage: async () => undefined,
}

/** An API whose exchanges are answered in this order. */
function create(...answers: (HttpAnswer | Blocked)[]) {
  const calls: string[] = []
  const reported: string[] = []
  const api = createMoneyCampaignChargeApi({
    gate: {
      ...QUIET,
      reportOutage: async code => void reported.push(code),
      exchange: async (_gift, { method, path, headers }) => {
        calls.push(`${method} ${path} ${headers?.['idempotency-key'] ?? ''}`.trim())
        const answer = answers.shift() ?? reply(500)
        return answer.kind === 'blocked' ? answer : { ...answer, seconds: 0 }
      },
    },
  })
  return { api, calls, reported }
}

const POST = 'POST /v1/campaign-charges VOUCHER:7'
const GET = 'GET /v1/campaign-charges/VOUCHER:7'

test.each<[name: string, answers: (HttpAnswer | Blocked)[], lookFirst: boolean, calls: string[], outcome: object]>([
  ['young and paid', [reply(200)], false, [POST], { kind: 'charged', transactionKey: 'tx-7', posts: 1 }],
  ['old and paid before', [reply(200)], true, [GET], { kind: 'charged', transactionKey: 'tx-7', posts: 0 }],
  ['old and not paid', [reply(404), reply(200)], true, [GET, POST], { kind: 'charged', posts: 1 }],
  ['old, and nobody says', [reply(500)], true, [GET], { kind: 'unsettled', code: 'HTTP_500', posts: 0 }],
  ['old and refused', [reply(404), reply(422), reply(404)], true, [GET, POST, GET], { kind: 'failed', posts: 1 }],
  ['refused, no charge', [reply(400), reply(404)], false, [POST, GET], { kind: 'failed', code: 'HTTP_400', posts: 1 }],
  ['refused, and paid before', [reply(404), reply(200)], false, [POST, GET], { kind: 'charged', posts: 1 }],
  ['refused, and nobody says', [reply(422), reply(503)], false, [POST, GET], { kind: 'unsettled', posts: 1 }],
  [
    'refused, the GET blocked',
    [reply(422), BLOCKED],
    false,
    [POST, GET],
    { kind: 'unsettled', code: 'BLOCKED', posts: 1 },
  ],
  ['nobody says, and it is not the last', [reply(503)], false, [POST], { kind: 'unsettled', posts: 1 }],
  ['blocked', [BLOCKED], false, [POST], { ...BLOCKED, posts: 0 }],
  ['old and blocked', [BLOCKED], true, [GET], { ...BLOCKED, posts: 0 }],
  ['old, blocked after the GET', [reply(404), BLOCKED], true, [GET, POST], { ...BLOCKED, posts: 0 }],
  ['credentials refused', [reply(401), reply(401)], false, [POST, GET], { kind: 'unauthorized', posts: 1 }],
  ['one gift refused, paid before', [reply(403), reply(200)], false, [POST, GET], { kind: 'charged', posts: 1 }],
  ['one gift refused', [reply(403), reply(404)], false, [POST, GET], { kind: 'unsettled', code: 'HTTP_403', posts: 1 }],
  [
    'one gift refused, GET too',
    [reply(403), doubted(403)],
    false,
    [POST, GET],
    { kind: 'unsettled', code: 'HTTP_403' },
  ],
  ['refused, and nobody says', [reply(403), reply(500)], false, [POST, GET], { kind: 'unsettled', code: 'HTTP_403' }],
  [
    'a 404 that is not believed',
    [reply(404), doubted(404)],
    false,
    [POST, GET],
    { kind: 'unsettled', code: 'HTTP_404' },
  ],
  ['old, its 404 not believed', [doubted(404)], true, [GET], { kind: 'unsettled', code: 'HTTP_404', posts: 0 }],
  ['never sent', [unsent('ECONNREFUSED')], false, [POST], { kind: 'blocked', posts: 0 }],
  ['refused by our client', [unsent('UND_ERR_INVALID_ARG')], false, [POST], { kind: 'blocked', posts: 0 }],
  ['old, credentials refused', [reply(403)], true, [GET], { kind: 'unauthorized', posts: 0 }],
])('%s', async (_name, answers, lookFirst, expectedCalls, outcome) => {
  const { api, calls } = create(...answers)
  expect(await api.charge(REQUEST, { lookFirst })).toMatchObject(outcome)
  expect(calls).toEqual(expectedCalls)
})

test.each<[name: string, answers: HttpAnswer[], outcome: object, reported: string[]]>([
  ['nobody is answered', [reply(503), reply(503)], { code: 'HTTP_503', isOutage: true }, ['HTTP_503']],
  ['302 for all', [reply(302), reply(302)], { code: 'HTTP_302', isOutage: true }, ['HTTP_302']],
  ['a gateway says 404 for all', [reply(404), doubted(404)], { code: 'HTTP_404', isOutage: true }, ['HTTP_404']],
  ['GETs are answered', [reply(500), reply(404)], { code: 'HTTP_500', isOutage: false }, []],
  ['GETs are answered otherwise', [reply(500), doubted(404)], { code: 'HTTP_500', isOutage: false }, []],
  ['it was paid', [reply(500), reply(200)], { kind: 'charged', posts: 1 }, []],
])('the last attempt, %s: is this gift to be given up?', async (_name, answers, outcome, expected) => {
  const { api, calls, reported } = create(...answers)
  expect(await api.charge(REQUEST, { isLast: true })).toMatchObject(outcome)
  expect(calls).toEqual([POST, GET])
  expect(reported).toEqual(expected)
})

test.each([404, 500])(
  'the last attempt while others are in trouble, its GET answered %d: not given up',
  async found => {
    const reported: string[] = []
    const answers = [reply(503), reply(found)]
    const api = createMoneyCampaignChargeApi({
      gate: {
        ...QUIET,
        isTroubled: true,
        reportOutage: async code => void reported.push(code),
        exchange: async () => ({ ...(answers.shift() as HttpAnswer), seconds: 0 }),
      },
    })
    expect(await api.charge(REQUEST, { isLast: true })).toMatchObject({ code: 'HTTP_503', posts: 1, isOutage: true })
    expect(reported).toEqual([])
  },
)

test('every attempt sends the key of the target, and the amount of the row', async () => {
  const sent: { key: string | undefined; body: unknown }[] = []
  const api = createMoneyCampaignChargeApi({
    gate: {
      ...QUIET,
      exchange: async (_gift, { headers, body }) => {
        sent.push({ key: headers?.['idempotency-key'], body: JSON.parse(body ?? 'null') })
        return { ...reply(200), seconds: 0 }
      },
    },
  })
  const { type, ...row } = REQUEST
  for (let attempt = 0; attempt < 2; attempt++) await api.charge(toChargeRequest(type, row))
  expect(sent).toEqual(Array.from({ length: 2 }, () => ({ key: 'VOUCHER:7', body: REQUEST })))
})

test('a lookup tells the amount where the Money API does, exactly', async () => {
  const big = '9223372036854775807'
  for (const [amount, told] of [
    [`"${big}"`, big],
    [big, big],
    ['"12.50"', undefined],
    ['null', undefined],
    ['[5]', undefined],
  ] as const) {
    const { api } = create(reply(200, `{"transactionKey":"tx-7","amount":${amount}}`))
    const found = { kind: 'charged', transactionKey: 'tx-7', ...(told === undefined ? {} : { amount: told }) }
    expect(await api.lookup(REQUEST)).toEqual(found)
  }
})

test('mayCall is asked before the first GET and the POST; what was sent is asked about whatever it says', async () => {
  const asked: string[] = []
  const answers = [reply(404), reply(422), reply(404)]
  const api = createMoneyCampaignChargeApi({
    gate: {
      ...QUIET,
      exchange: async (_gift, { method }, { mayCall } = {}) => {
        asked.push(`${method} ${await mayCall?.()}`)
        return { ...(answers.shift() as HttpAnswer), seconds: 0 }
      },
    },
  })
  expect(await api.charge(REQUEST, { lookFirst: true, mayCall: async () => false })).toMatchObject({ kind: 'failed' })
  expect(asked).toEqual(['GET false', 'POST false', 'GET undefined'])
})

test('a lookup that is blocked knows nothing', async () => {
  const { api } = create(BLOCKED)
  expect(await api.lookup(REQUEST)).toEqual({ kind: 'unsettled', code: 'BLOCKED', message: BLOCKED.reason })
})

test.each([
  [900, false],
  [901, true],
  [86_400_000, true],
  [0, false],
])('a row %d ms old, a key remembered for 1,000 ms: GET first is %p', (ageMs, expected) => {
  const nowMs = 1_700_000_000_000
  expect(isKeyOld({ createdAtMs: nowMs - ageMs }, 1000, nowMs)).toBe(expected)
})

test.each([
  [true, 'young'],
  [false, 'heard'],
])('asked first; its key cannot be forgotten: %s', async (isYoung, surety) => {
  const sureties: unknown[] = []
  const api = createMoneyCampaignChargeApi({
    gate: {
      ...QUIET,
      exchange: async (_gift, { method }, how = {}) => {
        if (method === 'GET') sureties.push(how.surety)
        return { ...reply(method === 'GET' ? 404 : 200), seconds: 0 }
      },
    },
  })
  expect(await api.charge(REQUEST, { lookFirst: true, isYoung })).toMatchObject({ kind: 'charged', posts: 1 })
  expect(sureties).toEqual([surety])
})

test.each<[name: string, answers: (HttpAnswer | Blocked)[], how: object, outcome: object]>([
  ['a POST nobody answered', [unsent('ABORTED')], {}, { kind: 'aborted', posts: 1 }],
  [
    'a last POST nobody answered, which is not asked about',
    [reply(503)],
    { isLast: true },
    { kind: 'aborted', posts: 1 },
  ],
  ['a refusal whose GET nobody answered', [reply(422), reply(503)], {}, { kind: 'aborted', posts: 1 }],
  ['a GET that went first', [reply(503)], { lookFirst: true }, { kind: 'aborted', posts: 0 }],
  ['what was paid', [reply(200)], {}, { kind: 'charged', transactionKey: 'tx-7', posts: 1 }],
  [
    'what was refused',
    [reply(422), reply(404)],
    {},
    { kind: 'failed', code: 'HTTP_422', message: expect.anything(), posts: 1 },
  ],
  ['what was never sent', [BLOCKED], {}, { ...BLOCKED, posts: 0 }],
])('a stopping process leaves a gift as it is, unless it knows more: %s', async (_name, answers, how, outcome) => {
  const { api } = create(...answers)

  expect(await api.charge(REQUEST, { ...how, signal: AbortSignal.abort() })).toEqual(outcome)
})

test.each<[status: number, isLast: boolean, surety: string]>([
  [400, false, 'given'],
  [422, false, 'given'],
  [404, false, 'since'],
  [401, false, 'since'],
  [503, true, 'since'],
])(
  'the 404 of the GET after a %d: how sure it has to be, and that it goes before what has not begun',
  async (status, isLast, surety) => {
    const asked: unknown[] = []
    const api = createMoneyCampaignChargeApi({
      gate: {
        ...QUIET,
        exchange: async (_gift, { method, signal }, how = {}) => {
          if (method === 'GET') asked.push([how.surety, how.isUrgent, signal])
          return { ...reply(method === 'GET' ? 404 : status), seconds: 0 }
        },
      },
    })
    await api.charge(REQUEST, { isLast })
    expect(asked).toEqual([[surety, true]])
  },
)

test.each([
  [true, false],
  [false, true],
])('the last attempt, nobody says; others were answered since it was sent: %p', async (isClear, isOutage) => {
  const sentAtMs: number[] = []
  const startedAtMs = performance.now()
  const api = createMoneyCampaignChargeApi({
    gate: {
      ...QUIET,
      isClearSince: atMs => {
        sentAtMs.push(atMs)
        return isClear
      },
      exchange: async () => ({ ...reply(503), seconds: 0 }),
    },
  })
  expect(await api.charge(REQUEST, { isLast: true })).toMatchObject({ code: 'HTTP_503', isOutage })
  expect(sentAtMs[0]).toBeGreaterThanOrEqual(startedAtMs)
})

test.each([
  [reply(401), 'unauthorized'],
  [BLOCKED, 'unauthorized'],
  [reply(503), 'unsettled'],
])('credentials refused, and then the GET comes to %j', async (answer, kind) => {
  const { api } = create(reply(401), answer)
  expect(await api.charge(REQUEST)).toMatchObject({ kind, code: 'HTTP_401', posts: 1 })
})

test('how long the Money API asks to wait is told after the last attempt too', async () => {
  const { api } = create({ ...reply(429), retryAfter: '7' } as HttpAnswer, reply(404))
  expect(await api.charge(REQUEST, { isLast: true })).toMatchObject({ code: 'HTTP_429', retryAfterMs: 7000 })
})
