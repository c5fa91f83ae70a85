import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import fastify from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { sql } from 'kysely'
import type { InvalidMessages } from '#admin/invalid-messages.ts'
import { rejectedRoutes } from '#admin/routes/rejected.routes.ts'
import { createKeptReads } from '#admin/snapshot/kept-reads.ts'
import type { Sampler } from '#admin/snapshot/sampler.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import { CodedError } from '#runtime/errors.ts'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { type GateProxy, startGateProxy } from '#test/support/gate-proxy.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const { streamKey } = GIFT_TYPES.VOUCHER

/** An admin that reaches PostgreSQL and Redis through gates. */
withKafka('pages while a server is away', () => {
  let system: TestSystem
  let database: GateProxy
  let redis: GateProxy
  let ask: (path: string) => ReturnType<AdminClient['ask']>
  let id: string

  beforeAll(async () => {
    system = await TestSystem.create()
    const gateOf = async (address: string | undefined) => {
      const url = new URL(address!)
      const gate = await startGateProxy({ port: Number(url.port || 5432) })
      url.hostname = '127.0.0.1'
      url.port = String(gate.port)
      return { gate, url: url.href }
    }
    const [forDatabase, forRedis] = await Promise.all([gateOf(system.env.DATABASE_URL), gateOf(system.env.REDIS_URL)])
    database = forDatabase.gate
    redis = forRedis.gate
    const child = await system.start('admin', {
      ADMIN_USERS: adminUsers(),
      DATABASE_URL: forDatabase.url,
      REDIS_URL: forRedis.url,
      REDIS_STREAM_URL: forRedis.url,
    })
    const as = new AdminClient(child).as('otto')
    ask = path => as(path, { headers: { accept: 'text/html' } })
    await system.start('worker')
    id = await system.promotion('VOUCHER', 'IN_PROGRESS', 20)
    await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message, process_status, error_code, attempts)
      values (${id}::bigint, 1, ${id}::bigint, 'k', 1, 100, '{}', 'UNKNOWN', 'TIMEOUT', 1)`.execute(system.kysely)
    await sql`insert into campaign_promotion_skipped (topic, partition, "offset", promotion_id, target_id, reason, message)
      values ('t', 1, 7, ${id}::bigint, 77, 'promotion-stopped', '{}')`.execute(system.kysely)
    const labels = ['_id', '1-0', '_stream', streamKey(id), '_reason', 'kept-reason', '_deliveries', '2']
    await system.redis.xadd(`${streamKey(id)}:dead-letter`, '*', 'key', 'k', 'message', '{}', ...labels)
    await as(`/api/promotions/${id}/report`, { method: 'POST', body: {} })
  }, 60_000)
  afterAll(async () => {
    await system?.stop()
    await database?.stop()
    await redis?.stop()
  })

  const AS_OF = {
    database: 'PostgreSQL does not answer: promotions and gifts are as of',
    redis: 'Redis does not answer: workers, calls and entries are as of',
  }
  /** Every page of what a server holds, and something of that. */
  const pages = {
    database: (): [path: string, shown: string][] => [
      ['/', `/promotions/${id}`],
      [`/promotions/${id}`, 'TIMEOUT'],
      [`/promotions/${id}/gifts?status=UNKNOWN`, 'TIMEOUT'],
      [`/gifts/VOUCHER/${id}`, 'TIMEOUT'],
      [`/promotions/${id}/rejected`, 'the promotion was stopped'],
      [`/promotions/${id}/dead-letters`, 'kept-reason'],
      [`/promotions/${id}/report`, 'Closing report'],
      ['/audit', 'promotion.report'],
    ],
    redis: (): [path: string, shown: string][] => [
      ['/', `/promotions/${id}`],
      [`/promotions/${id}`, 'data-instance="'],
      [`/promotions/${id}/dead-letters`, 'kept-reason'],
    ],
  }

  test.each(['database', 'redis'] as const)(
    '%s: every page has what it read last, and says as of when',
    async server => {
      const seen = async () => {
        const found = []
        for (const [path, shown] of pages[server]()) {
          const { status, text } = await ask(path)
          found.push([path, status, text.includes(shown), text.includes(AS_OF[server])])
        }
        return found
      }
      const expected = (isStale: boolean) => pages[server]().map(([path]) => [path, 200, true, isStale])
      // A snapshot is a second old at most.
      await system.until('the worker is seen', async () =>
        (await ask(`/promotions/${id}`)).text.includes('data-instance="'),
      )
      expect(await seen()).toEqual(expected(false))
      const gate = server === 'database' ? database : redis
      gate.close()
      try {
        await system.until('it is told', async () => (await ask('/')).text.includes(AS_OF[server]))
        expect(await seen()).toEqual(expected(true))
        if (server === 'database') {
          // One that nobody has looked at has nothing to show.
          expect((await ask(`/promotions/${id}/gifts?status=FAILED`)).status).toBe(503)
          expect((await ask(`/api/promotions/${id}/gifts`)).status).toBe(503)
        }
      } finally {
        gate.open()
      }
      await system.until('it is back', async () => !(await ask('/')).text.includes(AS_OF[server]))
      expect(await seen()).toEqual(expected(false))
    },
    60_000,
  )

  test('Kafka: what became no gift stays with its time; more than a page takes is said as it is', async () => {
    const view = { id, name: 'Autumn', type: 'VOUCHER', status: 'IN_PROGRESS' }
    const atMs = Date.now()
    const snapshot = { atMs, readAtMs: atMs, redisReadAtMs: atMs }
    const sampler = { find: async () => view, fresh: async () => snapshot } as unknown as Sampler
    const message = { topic: 't', partition: 0, offset: '3', reason: 'target-conflict', value: '{}', promotionId: id }
    const list = jest.fn(async () => [message])
    const app = fastify()
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    app.decorateRequest('cookies', { getter: () => ({}) })
    const invalid = { list } as unknown as InvalidMessages
    const deps = { kysely: system.kysely, sampler, invalid, kept: createKeptReads(sampler), events: system.events }
    await app.register(rejectedRoutes(deps))
    const look = async () => (await app.inject(`/promotions/${id}/rejected`)).body
    try {
      const asOf = 'Kafka does not answer: messages of its topics are as of'
      const before = await look()
      expect([before.includes('target-conflict'), before.includes(asOf)]).toEqual([true, false])
      list.mockRejectedValueOnce(new CodedError('KAFKA_UNREACHABLE', 'cannot be read'))
      const during = await look()
      expect([during.includes('target-conflict'), during.includes(asOf)]).toEqual([true, true])
      list.mockRejectedValueOnce(new CodedError('TOO_MANY_INVALID', 'too many for a page'))
      const full = await look()
      expect([full.includes('too many for a page'), full.includes(asOf)]).toEqual([true, false])
    } finally {
      await app.close()
    }
  })
})
