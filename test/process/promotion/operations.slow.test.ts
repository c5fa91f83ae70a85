import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import { runCli } from '#test/support/cli.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem, targetsOf } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('operations by the CLI, on one listener and two workers', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({
      // What is put back here is put back at once: a sweep would come too late for the tests' patience.
      SWEEP_AGE_MS: '600000',
      SWEEP_INTERVAL_MS: '600000',
      // However busy the machine: a gift here is paid or not yet paid, never doubtful.
      MONEY_API_TIMEOUT_MS: '10000',
      REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '64',
      REDIS_STREAM_CLAIM_MIN_IDLE_MS: '30000',
    })
    await Promise.all([system.start('listener'), system.start('worker'), system.start('worker')])
  })
  afterAll(() => system.stop())

  const publish = (promotionId: string, targets: readonly string[]) => system.publishGifts(promotionId, targets)
  const count = (promotionId: string) => system.countByStatus(promotionId, 'VOUCHER')
  const untilPaid = (promotionId: string, gifts: number) =>
    system.until(`${gifts} SUCCESS`, async () => (await count(promotionId)).SUCCESS === gifts, 40_000)
  const streamOf = (promotionId: string) => `campaign-promotion-${promotionId}:voucher:stream`
  const paid = async (promotionId: string) => (await system.charges(promotionId)).length

  const cli = (...args: string[]) => runCli(system.env, ...args)
  const cliWith = (env: Record<string, string>, ...args: string[]) => runCli({ ...system.env, ...env }, ...args)
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli(...args, '--json')
    expect([code, stderr.replaceAll(/^(sent|asked) .*\n/gm, '')]).toEqual([0, ''])
    return JSON.parse(stdout) as Record<string, unknown>
  }

  /** UNKNOWN gifts as a Money API leaves them that was down for all attempts. */
  async function unknownGifts(promotionId: string, gifts: number) {
    const targets = targetsOf(gifts)
    await publish(promotionId, targets)
    await system.until('rows', async () => (await count(promotionId)).PENDING >= gifts)
    for (const targetId of targets) {
      await system.results.VOUCHER.move({ targetId, to: 'UNKNOWN', errorCode: 'HTTP_503', errorMessage: '', posts: 8 })
    }
    return targets
  }

  test('pause and resume reach both workers within 5 s, also after FLUSHALL; a second call changes nothing', async () => {
    await system.control({ latencyMs: 400 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await publish(id, targetsOf(12_000))
    await system.until('some paid', async () => (await count(id)).SUCCESS > 20)
    expect(await json('pause', id)).toEqual({ id, status: 'PAUSED', changed: true })
    expect(await json('pause', id)).toEqual({ id, status: 'PAUSED', changed: false })
    const pausedAt = Date.now()
    await system.until('5 s', async () => Date.now() - pausedAt > 5000)
    const before = await paid(id)
    expect(before).toBeLessThan(12_000)
    await system.redis.flushdb()
    await system.until('2 s more', async () => Date.now() - pausedAt > 7000)
    expect(await paid(id)).toBe(before)
    await system.control({ latencyMs: 5 })
    const resumedAt = Date.now()
    expect(await json('resume', id)).toEqual({ id, status: 'IN_PROGRESS', changed: true })
    await system.until('a POST', async () => (await paid(id)) > before)
    expect(Date.now() - resumedAt).toBeLessThan(5000 + 2000)
    await untilPaid(id, 12_000)
    expect(await system.charges(id)).toHaveLength(12_000)
  }, 90_000)

  test('pause takes retry jobs off the queue, resume brings them back at once, also when both are done by SQL', async () => {
    await system.control({ latencyMs: 5, faultPercent: 100, faults: ['rate-limited'] })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    const targets = targetsOf(20)
    await publish(id, targets)
    const keys = targets.map(target => `promostream:campaign-promotion-retry:VOUCHER-${target}`)
    await system.until('20 jobs', async () => (await system.redis.exists(keys)) === 20)
    await sql`update campaign_promotion set status = 'PAUSED' where id = ${id}::bigint`.execute(system.kysely)
    await system.until('no job', async () => (await system.redis.exists(keys)) === 0)
    await system.control({ faultPercent: 0 })
    expect(await count(id)).toMatchObject({ RETRYING: 20 })
    await sql`update campaign_promotion set status = 'IN_PROGRESS' where id = ${id}::bigint`.execute(system.kysely)
    const resumedAt = Date.now()
    await untilPaid(id, 20)
    expect(Date.now() - resumedAt).toBeLessThan(10_000)
    expect(await system.charges(id)).toHaveLength(20)
  }, 60_000)

  test('stop: no POST, no entry within 5 s, no gift taken, rows kept; start resumes it and refills', async () => {
    await system.control({ latencyMs: 400 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await publish(id, targetsOf(4000))
    await system.until('some paid', async () => (await count(id)).SUCCESS > 20)
    await system.until('all rows', async () => Object.values(await count(id)).reduce((sum, n) => sum + n, 0) === 4000)
    expect(await json('stop', id)).toEqual({ id, status: 'STOPPED', changed: true })
    const stoppedAt = Date.now()
    await system.until('no entries', async () => (await system.redis.xlen(streamOf(id))) === 0)
    expect(Date.now() - stoppedAt).toBeLessThan(5000)
    await system.until('5 s', async () => Date.now() - stoppedAt > 5000)
    const before = await paid(id)
    await system.redis.xadd(streamOf(id), '*', 'key', 'k', 'message', '{}')
    await system.until('a late entry is removed too', async () => (await system.redis.xlen(streamOf(id))) === 0)
    await publish(id, targetsOf(1))
    await system.until('the gift is skipped', async () => {
      const { rows } = await sql<{ reason: string }>`
        select reason from campaign_promotion_skipped where promotion_id = ${id}::bigint`.execute(system.kysely)
      return rows[0]?.reason === 'promotion-stopped'
    })
    expect(await paid(id)).toBe(before)
    const { SUCCESS, PENDING } = await count(id)
    expect(SUCCESS + PENDING).toBe(4000)
    expect(await system.promotions.find(id)).toMatchObject({ finishedAt: expect.any(String) })
    await system.control({ latencyMs: 5 })
    expect(await json('start', id)).toEqual({ id, status: 'IN_PROGRESS', changed: true })
    await untilPaid(id, 4000)
    expect(await system.charges(id)).toHaveLength(4000)
    expect(await system.promotions.find(id)).toMatchObject({ finishedAt: null })
  }, 60_000)

  test('start without Kafka is done, and says that the event is missing; the workers find it', async () => {
    const id = await system.promotion('VOUCHER', 'READY')
    await publish(id, targetsOf(3))
    expect(await cliWith({ KAFKA_BROKERS: '127.0.0.1:1' }, 'start', id)).toEqual({
      code: 0,
      stdout: `promotion ${id} is IN_PROGRESS\n`,
      stderr: expect.stringMatching(
        /^promostream: started event not published: .*; instances find the start by themselves/,
      ),
    })
    await untilPaid(id, 3)
  }, 60_000)

  test('rebuild puts back at once what a wiped Redis has lost', async () => {
    await system.control({ latencyMs: 400 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await publish(id, targetsOf(3000))
    await system.until('all rows', async () => Object.values(await count(id)).reduce((sum, n) => sum + n, 0) === 3000)
    await system.redis.flushdb()
    await system.control({ latencyMs: 5 })
    const rebuilt = await json('rebuild', id)
    expect(rebuilt).toMatchObject({ id, changed: true, refilled: 0 })
    expect(rebuilt.requeued).toBeGreaterThan(800)
    await untilPaid(id, 3000)
    expect(await system.charges(id)).toHaveLength(3000)
  }, 60_000)

  test('finish: refused while gifts are open; then COMPLETED with the difference, announced, and final', async () => {
    const id = await system.promotion('VOUCHER', 'PAUSED', 50)
    await publish(id, targetsOf(30))
    await system.until('30 rows', async () => (await count(id)).PENDING === 30)
    expect(await cli('finish', id)).toMatchObject({
      code: 1,
      stderr: `promostream: promotion ${id} has 30 PENDING and 0 RETRYING gifts\n`,
    })
    await json('resume', id)
    await untilPaid(id, 30)
    expect(await json('finish', id)).toEqual({ id, status: 'COMPLETED', changed: true, difference: -20 })
    expect(await json('finish', id)).toMatchObject({ changed: false, difference: null })
    const { rows } = await sql`select finish_difference from campaign_promotion where id = ${id}::bigint`.execute(
      system.kysely,
    )
    expect(rows).toEqual([{ finish_difference: '-20' }])
    await system.until('the completed event', async () =>
      (await system.records('COMPLETED')).some(event => event.promotionId === id && event.totalCount === 50),
    )
    expect(await system.redis.exists(streamOf(id))).toBe(0)
    expect(await cli('start', id)).toMatchObject({
      code: 1,
      stderr: `promostream: promotion ${id} is COMPLETED and cannot become IN_PROGRESS\n`,
    })
  }, 60_000)

  test('retry: UNKNOWN gifts get one more attempt with the same key, also after completion; final ones refuse', async () => {
    const id = await system.promotion('VOUCHER', 'PAUSED')
    const targets = await unknownGifts(id, 6)
    await sql`update campaign_promotion set status = 'IN_PROGRESS' where id = ${id}::bigint`.execute(system.kysely)
    const [first, second] = targets as [string, string]
    expect(await json('retry', id, first, second)).toMatchObject({ changed: true, retried: 2 })
    await untilPaid(id, 2)
    expect(await system.results.VOUCHER.find(first)).toMatchObject({ attempts: 9, processStatus: 'SUCCESS' })
    expect(await cli('retry', id, second, targets[2]!)).toMatchObject({
      code: 1,
      stderr: `promostream: gift ${second} is SUCCESS: that is final\n`,
    })
    expect(await cli('retry', id, '404')).toMatchObject({ code: 1 })
    await json('finish', id)
    expect(await json('retry', id)).toMatchObject({ status: 'COMPLETED', retried: 4 })
    await untilPaid(id, 6)
    expect((await system.charges(id)).map(({ key }) => key).sort()).toEqual(targets.map(t => `VOUCHER:${t}`).sort())
  }, 60_000)

  test('reconcile: what the Money API holds is SUCCESS, what it does not stays UNKNOWN', async () => {
    const id = await system.promotion('VOUCHER', 'PAUSED')
    const targets = await unknownGifts(id, 5)
    for (const targetId of targets.slice(0, 3)) {
      const body = { type: 'VOUCHER', promotionId: id, targetId, memberId: '7', amount: '100' }
      await fetch(`${system.moneyUrl}/v1/campaign-charges`, {
        method: 'POST',
        headers: {
          authorization: 'Bearer test-token',
          'content-type': 'application/json',
          'idempotency-key': `VOUCHER:${targetId}`,
        },
        body: JSON.stringify(body),
      })
    }
    const before = await paid(id)
    expect(await json('reconcile', id)).toMatchObject({
      changed: true,
      checked: 5,
      succeeded: 3,
      uncharged: 2,
      unanswered: 0,
    })
    expect(await count(id)).toMatchObject({ SUCCESS: 3, UNKNOWN: 2, FAILED: 0 })
    expect(await paid(id)).toBe(before)
    await system.control({ refuseCredentials: true })
    expect(await cli('reconcile', id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('refuses our credentials'),
    })
    await system.control({ refuseCredentials: false })
  })

  test('what a command lacks or cannot do is one line and an exit code; each has an example', async () => {
    expect(await cli('stop')).toMatchObject({ code: 2 })
    expect(await cli('stop', 'x')).toMatchObject({ code: 2 })
    for (const name of ['start', 'stop', 'pause', 'resume', 'finish', 'retry', 'reconcile', 'rebuild']) {
      expect(await cli(name, '404')).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/404 does not exist\n$/),
      })
      expect((await cli(name, '--help')).stdout).toContain(`Example:\n  promostream ${name} 42`)
    }
    const id = await system.promotion('VOUCHER', 'READY')
    for (const name of ['pause', 'resume', 'finish', 'rebuild']) {
      expect(await cli(name, id)).toMatchObject({ code: 1, stderr: expect.stringContaining(`${id} is READY`) })
    }
  }, 120_000)
})
