import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { codeIn, DocPage } from '#test/support/doc-page.ts'
import { slowTest } from '#test/support/slow-test.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const SECRET = 'canary-hook-secret-of-the-test'

withKafka('the API (docs/contract.md «Admin HTTP»)', () => {
  const routes = new DocPage('docs/contract.md').table('| route | what it is |').flatMap(([cell]) => codeIn(cell!))
  let system: TestSystem
  let client: AdminClient
  let operator: ReturnType<AdminClient['as']>
  let viewer: ReturnType<AdminClient['as']>

  beforeAll(async () => {
    system = await TestSystem.create()
    const child = await system.start('admin', { ADMIN_USERS: adminUsers(), ADMIN_HOOK_SECRET: SECRET })
    client = new AdminClient(child)
    operator = client.as('otto')
    viewer = client.as('vera')
  }, 60_000)
  afterAll(() => system.stop())

  /** A promotion with gifts in every state, by SQL: no worker runs. */
  async function withGifts(): Promise<string> {
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 20)
    await sql`
      insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status, error_code, attempts)
      select ${id}::bigint, 1, ${id}::bigint + n, 'k', n, 100, '{"n":' || n || '}',
        (array['PENDING','RETRYING','SUCCESS','FAILED','UNKNOWN'])[1 + n % 5], 'HTTP_500', 3
      from generate_series(1, 10) n`.execute(system.kysely)
    await sql`insert into campaign_promotion_summary (id, promotion_id, success_count, failed_count)
      values (${id}::bigint, ${id}::bigint, 2, 2)`.execute(system.kysely)
    return id
  }

  test('a promotion: made, read, listed by page; its ids are exact', async () => {
    const id = String(2n ** 63n - 1n - (uniqueId() % 1_000_000n))
    const made = await operator('/api/promotions', {
      method: 'POST',
      body: `{"id": "${id}", "type": "POINT", "name": "Autumn <b>", "totalCount": 5}`,
    })
    expect([made.status, made.json]).toEqual([201, expect.objectContaining({ id, status: 'READY', totalCount: 5 })])
    expect((await viewer(`/api/promotions/${id}`)).json).toMatchObject({ id, name: 'Autumn <b>', rows: 0, eta: null })
    expect((await operator('/api/promotions', { method: 'POST', body: { id, type: 'POINT' } })).json).toMatchObject({
      status: 409,
      code: 'PROMOTION_EXISTS',
    })
    const first = await viewer('/api/promotions?limit=1')
    expect(first.json.promotions).toHaveLength(1)
    const wrong = await operator('/api/promotions', { method: 'POST', body: '{"id": 9007199254740993, "type": "X"}' })
    expect([wrong.status, wrong.headers.get('content-type')]).toEqual([422, 'application/problem+json'])
    expect((wrong.json.errors as { field: string }[]).map(({ field }) => field)).toEqual(['id', 'type'])
  })

  test('where a promotion stands, its gifts by state and page, and one gift’s way', async () => {
    const id = await withGifts()
    const { json } = await viewer(`/api/promotions/${id}`)
    expect(json).toMatchObject({
      rows: 10,
      expected: 20,
      done: 6,
      gifts: { PENDING: 2, RETRYING: 2, SUCCESS: 2, FAILED: 2, UNKNOWN: 2 },
      // Whether anybody reads its topic is known a moment later.
      bottlenecks: expect.arrayContaining([expect.objectContaining({ code: 'no-worker', level: 'bad' })]),
    })
    const unknown = await viewer(`/api/promotions/${id}/gifts?status=UNKNOWN&limit=1`)
    expect(unknown.json.gifts).toHaveLength(1)
    const next = await viewer(`/api/promotions/${id}/gifts?status=UNKNOWN&limit=5&cursor=${unknown.json.nextCursor}`)
    expect([(next.json.gifts as unknown[]).length, next.json.nextCursor]).toEqual([1, null])
    const [gift] = unknown.json.gifts as { targetId: string }[]
    const look = await viewer(`/api/gifts/VOUCHER/${gift!.targetId}`)
    const steps = (look.json.timeline as { step: string }[]).map(({ step }) => step)
    expect(steps).toEqual(['kafka', 'inserted', 'added', 'delivered', 'attempts', 'charge', 'acked'])
    expect((await viewer('/api/gifts/VOUCHER/1')).json).toMatchObject({ status: 404, code: 'GIFT_NOT_FOUND' })
  })

  test('only UNKNOWN gifts are retried; SUCCESS and FAILED refuse, and nothing is done to them', async () => {
    const id = await withGifts()
    const statuses: Record<string, number> = {}
    for (const [offset, state] of [
      [1, 'RETRYING'],
      [2, 'SUCCESS'],
      [3, 'FAILED'],
      [4, 'UNKNOWN'],
      [5, 'PENDING'],
    ] as const) {
      const path = `/api/gifts/VOUCHER/${BigInt(id) + BigInt(offset)}/retry`
      statuses[state] = (await operator(path, { method: 'POST', body: {} })).status
    }
    expect(statuses).toEqual({ RETRYING: 409, SUCCESS: 409, FAILED: 409, UNKNOWN: 202, PENDING: 409 })
    expect(await system.countByStatus(id, 'VOUCHER')).toMatchObject({ SUCCESS: 2, FAILED: 2 })
  })

  test('every change leaves who, what, when and how it ended; a viewer changes nothing and leaves nothing', async () => {
    const id = await system.promotion('VOUCHER', 'READY', 5)
    const before = (await viewer('/api/audit')).json.changes as unknown[]
    const refused = await viewer(`/api/promotions/${id}/start`, { method: 'POST', body: {} })
    expect(refused.json).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    expect((await system.promotions.find(id))?.status).toBe('READY')
    expect((await viewer('/api/audit')).json.changes).toHaveLength(before.length)

    const set = { consumersPerInstance: 7 }
    expect((await operator(`/api/promotions/${id}/concurrency`, { method: 'PUT', body: set })).status).toBe(200)
    expect((await operator('/api/promotions/999/concurrency', { method: 'PUT', body: set })).status).toBe(404)
    const [last, previous] = (await viewer('/api/audit?limit=2')).json.changes as Record<string, unknown>[]
    expect(previous).toMatchObject({ who: 'otto', what: 'promotion.concurrency', detail: set, outcome: '200' })
    expect(last).toMatchObject({ who: 'otto', what: 'promotion.concurrency', outcome: '404' })
    expect((await system.promotions.find(id))?.consumersPerInstance).toBe(7)
  })

  describe('POST /hooks/promotion-started', () => {
    const path = '/hooks/promotion-started'
    const sign = (body: string, { secret = SECRET, at = Math.floor(Date.now() / 1000) } = {}) => ({
      'x-promostream-timestamp': String(at),
      'x-promostream-signature': `sha256=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`,
    })
    const message = (promotionId: string, more: object = {}) =>
      JSON.stringify({ promotionId, totalCount: 3, type: 'VOUCHER', ...more })

    test('makes the row IN_PROGRESS, publishes the event, answers 202; again is harmless', async () => {
      const id = await system.promotion('VOUCHER', 'READY')
      const body = message(id)
      for (const changed of [true, false]) {
        const answer = await client.ask(path, { method: 'POST', body, headers: sign(body) })
        expect([answer.status, answer.json]).toEqual([202, { promotionId: id, status: 'IN_PROGRESS', changed }])
      }
      expect(await system.promotions.find(id)).toMatchObject({ status: 'IN_PROGRESS', totalCount: 3 })
      const events = await system.records('STARTED')
      expect(events.filter(event => event.promotionId === id)).toEqual([
        { promotionId: id, totalCount: 3, type: 'VOUCHER' },
        { promotionId: id, totalCount: 3, type: 'VOUCHER' },
      ])
      const { changes } = (await viewer('/api/audit?limit=1')).json as { changes: unknown[] }
      expect(changes).toMatchObject([{ who: 'hook', what: 'hook.promotion-started', outcome: '202' }])
      expect((await operator(path, { method: 'POST', body })).status).toBe(202)
    })

    test('404 unknown, 409 wrong state, 422 bad body', async () => {
      const paused = await system.promotion('VOUCHER', 'PAUSED')
      const ready = await system.promotion('VOUCHER', 'READY')
      const bodies = [
        [message('123456789'), 404],
        [message(paused), 409],
        [message(await system.promotion('VOUCHER', 'COMPLETED')), 409],
        [message(ready, { type: 'POINT' }), 422],
        [message(ready, { totalCount: -1 }), 422],
        ['not json', 422],
        ['', 422],
      ] as const
      for (const [body, status] of bodies) {
        const answer = await client.ask(path, { method: 'POST', body, headers: sign(body) })
        expect([body, answer.status]).toEqual([body, status])
      }
      expect((await system.promotions.find(ready))?.status).toBe('READY')
      expect((await system.promotions.find(paused))?.status).toBe('PAUSED')
    })

    test('a signature that is wrong, old, of another body, or of another secret is refused', async () => {
      const id = await system.promotion('VOUCHER', 'READY')
      const body = message(id)
      const now = Math.floor(Date.now() / 1000)
      const forged = [
        {},
        sign(`${body} `),
        sign(body, { secret: 'another' }),
        sign(body, { at: now - 301 }),
        sign(body, { at: now + 310 }),
        { ...sign(body), 'x-promostream-timestamp': String(now - 1) },
        { ...sign(body), 'x-promostream-signature': 'sha256=' },
      ]
      for (const headers of forged) {
        expect((await client.ask(path, { method: 'POST', body, headers })).status).toBe(401)
      }
      expect((await viewer(path, { method: 'POST', body })).status).toBe(403)
      expect((await system.promotions.find(id))?.status).toBe('READY')
    })

    slowTest('503 without Kafka, and again afterwards is possible', async () => {
      const admin = await system.start('admin', {
        ADMIN_USERS: adminUsers(),
        ADMIN_HOOK_SECRET: SECRET,
        KAFKA_BROKERS: '127.0.0.1:9',
      })
      const id = await system.promotion('VOUCHER', 'READY')
      const body = message(id)
      const answer = await new AdminClient(admin).ask(path, { method: 'POST', body, headers: sign(body) })
      expect([answer.status, answer.json.code]).toEqual([503, 'KAFKA_UNAVAILABLE'])
      expect((await client.ask(path, { method: 'POST', body, headers: sign(body) })).status).toBe(202)
    })
  })

  test('the OpenAPI document describes every route of the API', async () => {
    const { json } = await viewer('/api/docs/json')
    const paths = Object.keys(json.paths as object)
    for (const path of [
      '/api/promotions',
      '/api/promotions/{id}/pause',
      '/api/gifts/{type}/{targetId}',
      '/api/audit',
    ]) {
      expect(paths).toContain(path)
    }
    expect((await viewer('/api/docs')).status).toBe(200)
  })

  test('docs/contract.md names every route of the API', async () => {
    const { json } = await viewer('/api/docs/json')
    const described = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
    )
    expect(described.length).toBeGreaterThan(15)
    expect(routes.filter(route => / \/api\//.test(route)).sort()).toEqual(described.sort())
  })

  test('every other route that docs/contract.md names is there', async () => {
    const others = routes.filter(route => !/ \/api\//.test(route))
    expect(others.length).toBeGreaterThan(6)
    for (const route of others) {
      const [method, path] = route.includes(' ') ? route.split(' ') : ['GET', route]
      const { status } = await operator(path!, method === 'POST' ? { method, body: {} } : {})
      expect([route, status]).not.toEqual([route, 404])
    }
  })
})
