import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('an admin whose Redis hangs', () => {
  let system: TestSystem
  let redis: TestRedis

  beforeAll(async () => {
    redis = await startTestRedis()
    system = await TestSystem.create()
  }, 60_000)
  afterAll(async () => {
    await system.stop()
    await redis.stop()
  })

  test('answers with page, board and a session, and says what is away; all comes back', async () => {
    const child = await system.start('admin', { ADMIN_USERS: adminUsers(), REDIS_URL: redis.url })
    const client = new AdminClient(child)
    const { cookie, token } = await client.login('otto')
    const ask = (path: string) => client.ask(path, { headers: { cookie, accept: 'text/html' } })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 10)
    const codes = async () => {
      const { json } = await client.ask(`/api/promotions/${id}`, { headers: { cookie } })
      return (json.bottlenecks as { code: string }[]).map(({ code }) => code)
    }
    expect(await codes()).toContain('no-worker')
    const pid = Number(/process_id:(\d+)/.exec(await redis.probe.info('server'))?.[1])
    process.kill(pid, 'SIGSTOP')
    await system.until('it says so', async () => (await codes()).includes('redis-away'))
    for (const path of ['/', `/promotions/${id}`, '/board/api/queues?page=1&jobsPerPage=10', '/audit']) {
      expect([path, (await ask(path)).status]).toEqual([path, 200])
    }
    expect((await ask('/ready')).status).toBe(503)
    // Pausing needs PostgreSQL alone, and is what somebody wants now.
    const headers = { cookie, 'x-csrf-token': token }
    expect((await client.ask('/board/api/queues/pause', { method: 'PUT', body: {}, headers })).status).toBe(200)
    expect((await system.promotions.find(id))?.status).toBe('PAUSED')
    const retryQueue = '/board/api/queues/campaign-promotion-retry/pause'
    expect((await client.ask(retryQueue, { method: 'PUT', body: {}, headers })).status).toBe(503)
    expect((await client.ask('/board/api/queues/resume', { method: 'PUT', body: {}, headers })).status).toBe(200)
    process.kill(pid, 'SIGCONT')
    await system.until('it is back', async () => (await codes()).includes('no-worker'))
  }, 60_000)

  test('so does one whose other Redis, that of the streams, hangs', async () => {
    const child = await system.start('admin', { ADMIN_USERS: adminUsers(), REDIS_STREAM_URL: redis.url })
    const ask = new AdminClient(child).as('vera')
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 10)
    await sql`
      insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
        partition_key, member_id, amount, message)
      values (${id}::bigint, 1, ${id}::bigint, 'k', 1, 100, '{}')`.execute(system.kysely)
    const codes = async () =>
      ((await ask(`/api/promotions/${id}`)).json.bottlenecks as { code: string }[]).map(({ code }) => code)
    expect(await codes()).toContain('no-worker')
    const pid = Number(/process_id:(\d+)/.exec(await redis.probe.info('server'))?.[1])
    process.kill(pid, 'SIGSTOP')
    await system.until('it says so', async () => (await codes()).includes('redis-away'))
    expect((await ask('/ready')).status).toBe(503)
    process.kill(pid, 'SIGCONT')
  }, 60_000)
})
