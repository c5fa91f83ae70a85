import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { BottleneckCode } from '#admin/snapshot/cause.ts'
import type { Child } from '#local/demo/children.ts'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { type GateProxy, startGateProxy } from '#test/support/gate-proxy.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** Promised are 5,000 ms; a machine that does other things meanwhile is given room. */
const NAMED_WITHIN_MS = 15_000
const GIFTS_EVERY_MS = 200
const GIFTS_AT_ONCE = 10

/** Real processes, a steady trickle of gifts, and one thing after the other that goes wrong with them. */
withKafka('what slows it down, in whole installations', () => {
  let system: TestSystem
  let redis: TestRedis
  let database: GateProxy
  let worker: Child
  let listener: Child
  let ask: ReturnType<AdminClient['as']>
  let id: string
  let trickle: NodeJS.Timeout | undefined
  const seenAfterMs: Record<string, number> = {}

  beforeAll(async () => {
    redis = await startTestRedis()
    system = await TestSystem.create({
      REDIS_URL: redis.url,
      MONEY_API_TIMEOUT_MS: '3000',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '12000',
      COMPLETION_QUIET_MS: '500',
    })
    await system.control({ latencyMs: 30 })
    const url = new URL(system.env.DATABASE_URL!)
    database = await startGateProxy({ port: Number(url.port || 5432) })
    const proxied = new URL(url)
    proxied.hostname = '127.0.0.1'
    proxied.port = String(database.port)
    const admin = await system.start('admin', { ADMIN_USERS: adminUsers(), DATABASE_URL: proxied.href })
    ask = new AdminClient(admin).as('otto')
    id = await system.promotion('VOUCHER', 'IN_PROGRESS', 1_000_000)
    ;[listener, worker] = await Promise.all([system.start('listener'), system.start('worker')])
    flow()
    await healthy()
  }, 120_000)
  afterAll(async () => {
    clearInterval(trickle)
    process.stderr.write(`named after ms: ${JSON.stringify(seenAfterMs)}\n`)
    await database?.stop()
    await system?.stop()
    await redis?.stop()
  }, 60_000)

  const publishedAtMs: number[] = []
  const publish = () =>
    system.publishGifts(id, targetsOf(GIFTS_AT_ONCE)).then(
      () => void publishedAtMs.push(performance.now()),
      () => undefined,
    )
  function flow(): void {
    trickle = setInterval(() => void publish(), GIFTS_EVERY_MS)
  }

  /** Without a new gift, in the last few seconds. */
  function longestGapMs(): number {
    const nowMs = performance.now()
    const times = [...publishedAtMs.filter(at => at > nowMs - 8000), nowMs]
    return Math.max(...times.slice(1).map((at, index) => at - times[index]!))
  }

  async function first(): Promise<BottleneckCode | undefined> {
    const { json } = await ask(`/api/promotions/${id}`)
    return (json.bottlenecks as { code: BottleneckCode }[] | undefined)?.[0]?.code
  }

  const healthy = () => system.until('nothing slows it down', async () => (await first()) === 'none', 60_000)

  async function named(code: BottleneckCode): Promise<void> {
    const injectedAt = performance.now()
    let last: string | undefined
    const look = async () => {
      last = await first()
      return last === code
    }
    await system.until(code, look, NAMED_WITHIN_MS).catch(error => {
      throw new Error(`${error.message}; what is named is ${last}`)
    })
    seenAfterMs[code] = Math.round(performance.now() - injectedAt)
  }

  test('a healthy one: nothing, look after look', async () => {
    for (let look = 0; look < 20; look++) {
      const code = await first()
      // A machine that is busy elsewhere may publish late: then, and only then, everything that came is done.
      if (code === 'waiting-for-gifts') expect(longestGapMs()).toBeGreaterThan(1000)
      else expect(code).toBe('none')
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }, 60_000)

  test.each([
    ['money-failing', { faultPercent: 45, faults: ['error-503'] }, { faultPercent: 0 }],
    ['money-slow', { latencyMs: 1500 }, { latencyMs: 30 }],
    ['breaker-open', { down: true }, { down: false }],
  ] as const)(
    '%s',
    async (code, fault, mended) => {
      await system.control(fault)
      await named(code)
      await system.control(mended)
      await healthy()
    },
    120_000,
  )

  test('credentials-refused', async () => {
    await system.control({ refuseCredentials: true })
    await named('credentials-refused')
    await system.control({ refuseCredentials: false })
    expect((await ask('/api/money/resume-calls', { method: 'POST', body: {} })).status).toBe(200)
    await healthy()
  }, 120_000)

  test('slots that an operator took away', async () => {
    const slots = (consumersPerInstance: number | null) =>
      ask(`/api/promotions/${id}/concurrency`, { method: 'PUT', body: { consumersPerInstance } })
    await slots(1)
    await named('slots')
    await slots(null)
    await healthy()
  }, 120_000)

  test('paused', async () => {
    await ask(`/api/promotions/${id}/pause`, { method: 'POST', body: {} })
    await named('paused')
    await ask(`/api/promotions/${id}/resume`, { method: 'POST', body: {} })
    await healthy()
  }, 120_000)

  test('the only worker is killed; the next one has a rate limit', async () => {
    process.kill(worker.pid, 'SIGKILL')
    await named('no-worker')
    const limited = await system.start('worker', { MONEY_API_RATE_LIMIT: '20' })
    await named('rate-limit')
    await limited.stop()
    worker = await system.start('worker')
    await healthy()
  }, 120_000)

  test('the only listener is killed', async () => {
    process.kill(listener.pid, 'SIGKILL')
    await named('no-listener')
    listener = await system.start('listener')
    await healthy()
  }, 120_000)

  test('PostgreSQL away, as the admin sees it', async () => {
    database.close()
    await named('database-away')
    database.open()
    await healthy()
  }, 120_000)

  test('Redis hangs', async () => {
    const pid = Number(/process_id:(\d+)/.exec(await redis.probe.info('server'))?.[1])
    process.kill(pid, 'SIGSTOP')
    try {
      await named('redis-away')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await healthy()
  }, 120_000)

  test('no more gifts come; then it is finished', async () => {
    clearInterval(trickle)
    await named('waiting-for-gifts')
    expect((await ask(`/api/promotions/${id}/finish`, { method: 'POST', body: {} })).status).toBe(200)
    await named('completed')
  }, 120_000)
})
