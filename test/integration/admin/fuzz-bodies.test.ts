import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { FUZZ_LIMIT_MS, fuzzByProcess, recordLike } from '#test/support/fuzz.ts'
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

withKafka('hostile bodies', () => {
  let system: TestSystem
  let operator: ReturnType<AdminClient['as']>
  let paths: [method: string, path: string][]

  beforeAll(async () => {
    system = await TestSystem.create()
    const child = await system.start('admin', { ADMIN_USERS: await adminUsers() })
    operator = new AdminClient(child).as('otto')
    const id = await system.promotion('VOUCHER', 'PAUSED', 10)
    paths = [
      ['POST', '/hooks/promotion-started'],
      ['POST', '/api/promotions'],
      ['POST', `/api/promotions/${id}/pause`],
      ['PUT', `/api/promotions/${id}/concurrency`],
      ['PUT', `/board/api/queues/campaign-promotion-${id}:voucher:stream/concurrency`],
      ['POST', `/api/gifts/VOUCHER/${id}/retry`],
      ['POST', '/login'],
    ]
  }, 60_000)
  afterAll(() => system.stop())

  test(
    'each is taken, or refused as the asker’s mistake, in JSON; the admin goes on',
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
        fuzzByProcess,
      )
      expect((await operator('/ready')).status).toBe(200)
    },
    FUZZ_LIMIT_MS,
  )
})
