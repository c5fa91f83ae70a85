import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Kysely, sql } from 'kysely'
import type { PromotionRepository } from '#database/promotions/promotions.ts'
import { requeueOrphans } from '#promotion/upkeep/orphans.ts'
import { completionRound, sweepRound, type UpkeepDeps } from '#promotion/upkeep/upkeep.ts'
import { GIFT_TYPES } from '#queues/gift-types.ts'
import type { TestRedis } from '#test/support/redis.ts'
import { silent as logger, UpkeepRig } from '#test/support/upkeep-rig.ts'

let rig: UpkeepRig
let kysely: Kysely<unknown>
let promotions: PromotionRepository
let redis: TestRedis
let { depsOf, promotion, gifts, endAll } = {} as UpkeepRig

beforeAll(async () => {
  rig = await UpkeepRig.create()
  ;({ kysely, promotions, redis, depsOf, promotion, gifts, endAll } = rig)
}, 60_000)
afterAll(() => rig.stop())

const always = () => true

test('a process that stops begins no further promotion, page or question', async () => {
  for (const id of [await promotion(), await promotion()]) await gifts(id, 1, 'RETRYING')
  let revived = 0
  const deps = depsOf({
    retryJobs: {
      revive: async () => {
        revived += 1
        return 0
      },
    },
  })
  await sweepRound(deps, () => revived === 0)
  expect(revived).toBe(1)
  await sweepRound(deps, always)
  expect(revived).toBe(3)
  await endAll()
})

describe('completion looks before it takes the lock that inserts wait for', () => {
  const statusOf = async (id: string) => (await promotions.find(id))?.status
  /** A round while somebody inserts: what takes the lock waits, and fails. */
  const roundBesideInsert = async (id: string, round: (deps: UpkeepDeps) => Promise<void>, quietMs: number) => {
    const warnings: unknown[] = []
    const deps = depsOf({
      quietMs,
      logger: { ...logger, warn: (fields: object) => 'err' in fields && warnings.push(fields) } as never,
    })
    await kysely.transaction().execute(async transaction => {
      await sql`select 1 from campaign_promotion where id = ${id}::bigint for share`.execute(transaction)
      await round(deps)
    })
    expect(warnings).toEqual([])
    expect(await statusOf(id)).toBe('IN_PROGRESS')
  }
  const complete = (deps: UpkeepDeps) => completionRound(deps, always)
  const sweep = (deps: UpkeepDeps) => sweepRound(deps, always)

  test('a total that is too small, gifts still coming: not in the rounds, not in the sweeps', async () => {
    const id = await promotion('IN_PROGRESS', 1)
    await gifts(id, 3, 'SUCCESS')
    await roundBesideInsert(id, complete, 60_000)
    await roundBesideInsert(id, sweep, 60_000)
    await complete(depsOf())
    expect(await statusOf(id)).toBe('COMPLETED')
  }, 20_000)

  test('one gift that is PENDING, one that is RETRYING: not in the sweeps, though counters say otherwise', async () => {
    for (const open of [undefined, 'RETRYING'] as const) {
      const id = await promotion('IN_PROGRESS', 3)
      await gifts(id, 2, 'UNKNOWN')
      await gifts(id, 1, open)
      await sql`update campaign_promotion_summary set success_count = 9 where promotion_id = ${id}::bigint`.execute(
        kysely,
      )
      await roundBesideInsert(id, complete, 0)
      await roundBesideInsert(id, sweep, 0)
      await endAll()
    }
  }, 20_000)

  test('UNKNOWN gifts are counted without a sweep; counters that are too low are made good by one', async () => {
    const [counted, miscounted] = [await promotion('IN_PROGRESS', 4), await promotion('IN_PROGRESS', 2)]
    await gifts(counted, 2, 'SUCCESS')
    await gifts(counted, 1, 'FAILED')
    await gifts(counted, 1, 'UNKNOWN')
    await gifts(miscounted, 2, 'SUCCESS')
    await sql`update campaign_promotion_summary set success_count = 0 where promotion_id = ${miscounted}::bigint`.execute(
      kysely,
    )
    await complete(depsOf())
    expect([await statusOf(counted), await statusOf(miscounted)]).toEqual(['COMPLETED', 'IN_PROGRESS'])
    await sweep(depsOf())
    expect(await statusOf(miscounted)).toBe('COMPLETED')
  })
})

test('a promotion that fails, and a step that fails, keep no completed event from being published', async () => {
  const ended = [await promotion('COMPLETED'), await promotion('COMPLETED'), await promotion('COMPLETED')]
  await sql`update campaign_promotion set finished_at = now() - interval '1 minute'`.execute(kysely)
  const [stubborn, unheard, plain] = ended as [string, string, string]
  const published: string[] = []
  const deps = depsOf({
    promotions: { ...promotions, listEnded: () => Promise.reject(new Error('the database is busy')) },
    registry: {
      cleanupStream: async (queue: { name: string }) => {
        if (queue.name.includes(stubborn)) throw new Error('OOM')
      },
    } as never,
    events: {
      publish: async ({ key }: { key: string }) => {
        if (key === unheard) throw new Error('Kafka is busy')
        published.push(key)
      },
    } as never,
  })
  await completionRound(deps, always)
  expect(published.filter(id => ended.includes(id))).toEqual([plain])
  await completionRound(depsOf(), always)
  const { rows } = await sql`select 1 from campaign_promotion where completed_event_at is null
    and id = any (${ended}::bigint[])`.execute(kysely)
  expect(rows).toEqual([])
})

test('streams of those that were completed within a day are looked at, for what came late', async () => {
  const ended = [await promotion('COMPLETED'), await promotion('COMPLETED'), await promotion('COMPLETED')]
  const [late, old, unheard] = ended as [string, string, string]
  await sql`update campaign_promotion set finished_at = now() - interval '1 hour', completed_event_at = now()
    where id = any (${[late, old]}::bigint[])`.execute(kysely)
  await sql`update campaign_promotion set finished_at = now() - interval '25 hours' where id = ${old}::bigint`.execute(
    kysely,
  )
  const cleaned: string[] = []
  const registry = { cleanupStream: async ({ name }: { name: string }) => void cleaned.push(name) }
  await sweepRound(depsOf({ registry: registry as never }), always)
  const isCleaned = (id: string) => cleaned.some(name => name.includes(id))
  expect([isCleaned(late), isCleaned(old), isCleaned(unheard)]).toEqual([true, false, false])
})

test('a promotion that another program started is dated: once, also when it is completed in the same round', async () => {
  const timesOf = async (id: string) => {
    const { status, startedAt, finishedAt } = (await promotions.find(id))!
    return { status, startedAt, finishedAt }
  }
  const [id, short] = [await promotion(), await promotion('IN_PROGRESS', 1)]
  await gifts(short, 1, 'SUCCESS')
  expect((await timesOf(id)).startedAt).toBeNull()
  await completionRound(depsOf(), always)
  const first = await timesOf(id)
  expect(first).toEqual({ status: 'IN_PROGRESS', startedAt: expect.any(String), finishedAt: null })
  expect(await timesOf(short)).toEqual({
    ...{ status: 'COMPLETED', startedAt: expect.any(String), finishedAt: expect.any(String) },
  })
  await sql`update campaign_promotion set status = 'STOPPED' where id = ${id}::bigint`.execute(kysely)
  await completionRound(depsOf(), always)
  expect((await timesOf(id)).finishedAt).toEqual(expect.any(String))
  await sql`update campaign_promotion set status = 'IN_PROGRESS' where id = ${id}::bigint`.execute(kysely)
  await completionRound(depsOf(), always)
  expect(await timesOf(id)).toEqual(first)
  await endAll()
})

describe('entries of a STOPPED promotion', () => {
  const add = (id: string) => redis.probe.xadd(GIFT_TYPES.VOUCHER.streamKey(id), '*', 'key', 'k', 'message', '{}')
  const length = (id: string) => redis.probe.xlen(GIFT_TYPES.VOUCHER.streamKey(id))

  test('are removed also when another program set the status, which dates nothing', async () => {
    const id = await promotion('STOPPED')
    await add(id)
    await completionRound(depsOf(), always)
    expect(await length(id)).toBe(0)
    expect((await promotions.find(id))?.finishedAt).toEqual(expect.any(String))
  })

  test('stay when it is started between the list and the removal, or between two steps of it', async () => {
    for (const [startsBefore, left] of [
      [1, 2],
      [2, 1],
    ] as const) {
      const id = await promotion('STOPPED')
      await add(id)
      let looks = 0
      const start = async () => {
        await promotions.move(id, ['STOPPED'], 'IN_PROGRESS')
        await add(id)
      }
      const find = async (promotionId: string) => {
        if (promotionId === id && ++looks === startsBefore) await start()
        return promotions.find(promotionId)
      }
      await completionRound(depsOf({ promotions: { ...promotions, find } }), always)
      expect([looks, await length(id)]).toEqual([startsBefore, left])
    }
    await endAll()
  })
})

test('a full stream is not walked through for rows that would not fit', async () => {
  const id = await promotion()
  await gifts(id, 3)
  let walks = 0
  const entries = async function* () {
    walks += 1
    yield* []
  }
  const full = { queue: () => ({ length: async () => 0, entries }), room: async () => 0 }
  const deps = { kysely, producer: full as never, stream: GIFT_TYPES.VOUCHER, ageMs: 0 }
  expect(await requeueOrphans({ id, type: 'VOUCHER' } as never, deps)).toBe(0)
  expect(walks).toBe(0)
  await endAll()
})
