import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Child, startChild } from '#local/demo/children.ts'
import { kafkaMissing, uniqueId, uniqueName } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const SWEEP_AGE_MS = 1500

/** Short versions of runs under test/chaos. */
withKafka('what fell between two steps, and what merely waits', () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.create({
      SWEEP_AGE_MS: String(SWEEP_AGE_MS),
      REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '8',
    })
  })
  afterAll(() => system.stop())

  const giftsOf = (promotionId: string, count: number) => {
    const first = uniqueId() * 10_000n
    return Array.from({ length: count }, (_, index) =>
      giftJson('VOUCHER', { promotionId, targetId: String(first + BigInt(index)) }),
    )
  }
  const count = (promotionId: string) => system.countByStatus(promotionId, 'VOUCHER')
  const untilPaid = (promotionId: string, gifts: number) =>
    system.until(`${gifts} SUCCESS`, async () => (await count(promotionId)).SUCCESS === gifts, 40_000)
  const added = async (promotionId: string) => {
    const info = (await system.redis.xinfo('STREAM', `campaign-promotion-${promotionId}:voucher:stream`)) as unknown[]
    return info[info.indexOf('entries-added') + 1] as number
  }

  test('a worker started after the started event drains the promotion within 10 s', async () => {
    const listener = await system.start('listener')
    const id = await system.promotion('VOUCHER', 'READY')
    await system.publish('VOUCHER', giftsOf(id, 200))
    await system.until('200 rows', async () => (await count(id)).PENDING === 200)
    await system.publishStarted(id, 'VOUCHER', 200)
    await system.promotions.start(id, 200)
    const startedAt = Date.now()
    const worker = await system.start('worker')
    await untilPaid(id, 200)
    expect(Date.now() - startedAt).toBeLessThan(10_000)
    await Promise.all([worker.stop(), listener.stop()])
  }, 60_000)

  test('a listener killed between insert and XADD: every row is paid, once', async () => {
    const worker = await system.start('worker')
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await system.publish('VOUCHER', giftsOf(id, 60))
    const entry = fileURLToPath(new URL('../../../support/doomed-listener.ts', import.meta.url))
    const env = { ...system.env, CHAOS_KILL_AT: '20' }
    const doomed = await startChild({
      kind: 'listener',
      name: uniqueName('doomed'),
      env,
      logFolder: mkdtempSync(join(tmpdir(), 'promostream-test-')),
      keep: false,
      entry,
    })
      .then((child: Child) => child.ended)
      .catch(error => error.code)
    expect(['SIGKILL', 'CHILD_ENDED']).toContain(doomed)
    const { PENDING } = await count(id)
    expect(PENDING).toBeGreaterThan(0)
    const listener = await system.start('listener')
    await untilPaid(id, 60)
    expect(await system.charges(id)).toHaveLength(60)
    await Promise.all([worker.stop(), listener.stop()])
  }, 120_000)

  test('a backlog of three sweep ages that merely waits gets no second entries', async () => {
    await system.control({ latencyMs: 500 })
    const [listener, worker] = await Promise.all([system.start('listener'), system.start('worker')])
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS')
    await system.publish('VOUCHER', giftsOf(id, 400))
    await system.until('all on the stream', async () => (await added(id).catch(() => 0)) >= 400)
    const from = Date.now()
    await system.until('three sweep ages', async () => Date.now() - from > 3 * SWEEP_AGE_MS)
    expect((await count(id)).PENDING).toBeGreaterThan(100)
    expect((await added(id)) - 400).toBeLessThanOrEqual(4)
    await system.control({ latencyMs: 5 })
    await untilPaid(id, 400)
    await Promise.all([worker.stop(), listener.stop()])
  }, 60_000)
})
