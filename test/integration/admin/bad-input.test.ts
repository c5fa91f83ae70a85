import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { FUZZ_LIMIT_MS, fuzzBriefly, recordLike } from '#test/support/fuzz.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

const FIELDS = [
  'id',
  'promotionId',
  'totalCount',
  'maxGiftCount',
  'maxTotalAmount',
  'consumersPerInstance',
  'weight',
  'concurrency',
]
const body = recordLike(FIELDS, {
  type: fc.oneof(fc.constantFrom('VOUCHER', 'POINT'), fc.jsonValue()),
  name: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
  user: fc.oneof(fc.constantFrom('otto', '__proto__'), fc.jsonValue()),
  password: fc.oneof(fc.string({ unit: 'binary', maxLength: 2000 }), fc.jsonValue()),
})
const contentType = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-16',
  'application/x-www-form-urlencoded',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/json;;',
)

/** Input that PostgreSQL would choke on is the asker's mistake, not ours. */
withKafka('bad input of the admin', () => {
  let system: TestSystem
  let operator: ReturnType<AdminClient['as']>
  let promotionId: string
  let paths: [method: string, path: string][]

  beforeAll(async () => {
    system = await TestSystem.create()
    operator = new AdminClient(await system.start('admin', { ADMIN_USERS: adminUsers() })).as('otto')
    promotionId = await system.promotion('VOUCHER', 'PAUSED', 10)
    paths = [
      ['POST', '/hooks/promotion-started'],
      ['POST', '/api/promotions'],
      ['POST', `/api/promotions/${promotionId}/pause`],
      ['PUT', `/api/promotions/${promotionId}/concurrency`],
      ['PUT', `/board/api/queues/campaign-promotion-${promotionId}:voucher:stream/concurrency`],
      ['POST', `/api/gifts/VOUCHER/${promotionId}/retry`],
      ['POST', '/login'],
    ]
  }, 60_000)
  afterAll(() => system.stop())

  test('a cursor and an id beyond 64 bits, and text that cannot be stored', async () => {
    const gifts = `/api/promotions/${promotionId}/gifts`
    for (const path of [
      `${gifts}?cursor=9999999999999999999`,
      '/api/audit?cursor=9999999999999999999',
      `${gifts}?errorCode=%00`,
      '/api/promotions/9223372036854775808',
    ]) {
      expect([path, (await operator(path)).status]).toEqual([path, 422])
    }
    const queue = '/board/api/queues/campaign-promotion-9999999999999999999:voucher:stream/pause'
    expect((await operator(queue, { method: 'PUT', body: {} })).status).toBe(404)
    const job = `/board/api/queues/campaign-promotion-${promotionId}:voucher:stream/9999999999999999999`
    expect((await operator(job)).status).toBe(404)
  })

  test('a change whose body holds NUL or half a character is refused for what it is, and audited', async () => {
    const bodies = ['{"promotionId":"1\\u0000"}', '{"type":"\\ud800","\\u0000":"\\\\u0000"}']
    for (const body of bodies) {
      const answer = await operator('/hooks/promotion-started', { method: 'POST', body })
      expect([body, answer.status]).toEqual([body, 422])
    }
    const { changes } = (await operator('/api/audit')).json as { changes: { what: string; outcome: string }[] }
    expect(changes.filter(({ what, outcome }) => what === 'hook.promotion-started' && outcome === '422')).toHaveLength(
      2,
    )
  })

  test('slots on the board: 0 takes the limit away, too many are refused', async () => {
    const path = `/board/api/queues/campaign-promotion-${promotionId}:voucher:stream/concurrency`
    const statusOf = async (concurrency: number) =>
      (await operator(path, { method: 'PUT', body: { concurrency } })).status
    const slots = async () => (await operator(`/api/promotions/${promotionId}`)).json.consumersPerInstance
    expect(await statusOf(7)).toBe(200)
    await system.until('it has seven', async () => (await slots()) === 7)
    expect(await statusOf(0)).toBe(200)
    await system.until('it has as many as its total asks', async () => (await slots()) === null)
    expect(await statusOf(1e9)).toBe(422)
  })

  test('refused credentials are lifted from here too', async () => {
    const lift = () => operator('/api/money/resume-calls', { method: 'POST', body: {} })
    expect((await lift()).json).toEqual({ wasRefused: false, since: null, code: null })
    const since = new Date().toISOString()
    await system.redis.set('promostream:money:credentials-refused', JSON.stringify({ since, code: 'HTTP_401' }))
    expect((await lift()).json).toEqual({ wasRefused: true, since, code: 'HTTP_401' })
    expect((await lift()).json).toMatchObject({ wasRefused: false })
  })

  test(
    'a hostile body is taken, or refused as the asker’s mistake, in JSON; the admin goes on',
    async () => {
      const asked = fc.tuple(
        fc.nat({ max: 6 }),
        body,
        fc.oneof({ arbitrary: contentType, weight: 1 }, { arbitrary: fc.constant('application/json'), weight: 4 }),
      )
      await fc.assert(
        fc.asyncProperty(asked, async ([at, text, type]) => {
          const [method, path] = paths[at] as [string, string]
          const answer = await operator(path, { method, body: text, headers: { 'content-type': type } })
          expect([path, text, type, answer.status < 500, answer.text]).toEqual([path, text, type, true, answer.text])
          expect(answer.headers.get('content-type') ?? 'json').toMatch(/json|html/)
        }),
        fuzzBriefly,
      )
      expect((await operator('/ready')).status).toBe(200)
    },
    FUZZ_LIMIT_MS,
  )
})
