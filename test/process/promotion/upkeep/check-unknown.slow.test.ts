import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'kysely'
import type { Child } from '#local/demo/children.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const SWEEP_AGE_MS = 1500

withKafka('UNKNOWN gifts are asked about by themselves', () => {
  let system: TestSystem
  let workers: Child[]

  beforeAll(async () => {
    system = await TestSystem.create({ SWEEP_AGE_MS: String(SWEEP_AGE_MS) })
    workers = await Promise.all([system.start('worker'), system.start('worker')])
  })
  afterAll(() => system.stop())

  /** Rows as a Money API leaves them that was down for all attempts, or an entry that killed its processes. */
  async function unknownGifts(count: number): Promise<{ id: string; targets: string[] }> {
    const id = await system.promotion('VOUCHER', 'PAUSED', count)
    const first = uniqueId() * 10_000n
    const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
    const gift = { promotionId: id, promotionSummaryId: '1', partitionKey: 'k', memberId: '7', amount: '100' }
    const place = { kafkaPartition: 0, kafkaOffset: '0', wantsEntry: false }
    await Promise.all(
      targets.map(targetId =>
        system.results.VOUCHER.insert({
          ...gift,
          targetId,
          message: giftJson('VOUCHER', { promotionId: id, targetId }),
          ...place,
        }),
      ),
    )
    return { id, targets }
  }
  const makeUnknown = (targets: readonly string[]) =>
    Promise.all(
      targets.map(targetId =>
        system.results.VOUCHER.move({ targetId, to: 'UNKNOWN', errorCode: 'POISON', errorMessage: '', posts: 8 }),
      ),
    )
  const charge = async (promotionId: string, targetId: string) => {
    const response = await fetch(`${system.moneyUrl}/v1/campaign-charges`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer test-token',
        'content-type': 'application/json',
        'idempotency-key': `VOUCHER:${targetId}`,
      },
      body: JSON.stringify({ type: 'VOUCHER', promotionId, targetId, memberId: '7', amount: '100' }),
    })
    expect(response.ok).toBe(true)
  }
  const count = (id: string) => system.countByStatus(id, 'VOUCHER')

  const left = async (promotionId: string) => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from campaign_promotion_unknown_check
      where promotion_id = ${promotionId}::bigint`.execute(system.kysely)
    return rows[0]!.count
  }

  test('a charge makes SUCCESS; no charge stays UNKNOWN and is asked about after pauses that grow', async () => {
    const { id, targets } = await unknownGifts(5)
    const [first, ...others] = targets as [string, ...string[]]
    for (const targetId of others) await charge(id, targetId)
    await makeUnknown(targets)
    await system.until('4 SUCCESS', async () => (await count(id)).SUCCESS === 4)
    const asked = async () =>
      (await system.requests()).filter(({ method, key }) => method === 'GET' && key === `VOUCHER:${first}`)
    const requests = await system.until('three looks', async () => {
      const seen = await asked()
      return seen.length >= 3 && seen
    })
    const [one, two, three] = requests.map(({ atMs }) => atMs as number) as [number, number, number]
    expect(two - one).toBeGreaterThan(0.9 * SWEEP_AGE_MS)
    expect(three - two).toBeGreaterThan(0.9 * 2 * SWEEP_AGE_MS)
    expect(await count(id)).toMatchObject({ SUCCESS: 4, UNKNOWN: 1, FAILED: 0, RETRYING: 0 })
    // A call that had timed out is applied after all.
    await charge(id, first)
    await system.until('5 SUCCESS', async () => (await count(id)).SUCCESS === 5)
    await system.until('nothing more to ask', async () => (await left(id)) === 0)
  }, 60_000)

  test('the connection that holds the lock is lost: the work goes on, and no process ends', async () => {
    const { id, targets } = await unknownGifts(300)
    for (const targetId of targets) await charge(id, targetId)
    await system.control({ latencyMs: 100 })
    await makeUnknown(targets)
    for (let kill = 0; kill < 3; kill++) {
      await system.until('a lock is taken', async () => {
        const { rows } = await sql<{ pid: number }>`
          select pg_terminate_backend(pid), pid from pg_locks
          where locktype = 'advisory' and classid = 4242 and objid = 4 and granted
            and database = (select oid from pg_database where datname = current_database())`.execute(system.kysely)
        return rows.length > 0
      })
    }
    await system.until('300 SUCCESS', async () => (await count(id)).SUCCESS === 300, 60_000)
    const states = await Promise.all(workers.map(worker => Promise.race([worker.ended, Promise.resolve('running')])))
    expect(states).toEqual(['running', 'running'])
  }, 120_000)
})
