import { expect, test } from '@jest/globals'
import type { ResumedPromotion } from '#database/promotions/promotions.ts'
import { ResumedRetries } from '#promotion/upkeep/lost-retries.ts'
import { createLogger } from '#runtime/logger.ts'

const always = () => true

/** Promotions that run again, and a database in which each has one RETRYING row; its search is a statement. */
function create() {
  const resumed = new Map<string, number>()
  const searched: string[] = []
  const world = { searchFails: false, nowMs: 0 }
  const retries = new ResumedRetries({
    promotions: {
      listResumed: async () =>
        [...resumed].map(([id, resumedForMs]): ResumedPromotion => ({ id, type: 'POINT', resumedForMs })),
    },
    // A statement's compiled text is nothing to this test; which promotion it is about, the revived jobs say.
    kysely: fakeKysely(() => [{ id: '1', targetId: '7', attempts: 1 }]),
    retryJobs: {
      revive: async jobs => {
        if (world.searchFails) throw new Error('Redis is away')
        searched.push(...jobs.map(({ data }) => data.promotionId))
        return jobs.length
      },
    },
    sweepAgeMs: 120_000,
    now: () => world.nowMs,
    logger: createLogger('test', 'silent'),
  })
  return { retries, resumed, searched, world }
}

function fakeKysely(rows: () => object[]) {
  const executor = {
    transformQuery: (node: unknown) => node,
    compileQuery: () => ({}),
    executeQuery: async () => ({ rows: rows() }),
  }
  return { getExecutor: () => executor } as never
}

test('RETRYING rows get their jobs back when their promotion goes on, until no process drops one of them any more', async () => {
  const { retries, resumed, searched, world } = create()
  await retries.round(always)
  expect(searched).toEqual([])
  const roundAt = async (resumedForMs: number) => {
    world.nowMs = 1000 + resumedForMs
    resumed.set('1', resumedForMs)
    await retries.round(always)
    return searched.length
  }
  expect([
    await roundAt(100),
    await roundAt(3000),
    await roundAt(7900),
    await roundAt(8100),
    await roundAt(10_000),
    await roundAt(60_000),
  ]).toEqual([1, 2, 3, 4, 4, 4])
})

test('an instance that takes the round over later searches once, and again after the next pause', async () => {
  const { retries, resumed, searched, world } = create()
  resumed.set('1', 60_000)
  await retries.round(always)
  await retries.round(always)
  expect(searched).toEqual(['1'])
  resumed.clear()
  await retries.round(always)
  world.nowMs = 90_000
  resumed.set('1', 10)
  await retries.round(always)
  expect(searched).toEqual(['1', '1'])
})

test('a search that fails keeps no other from its own, and is made again; a process that stops begins none', async () => {
  const { retries, resumed, searched, world } = create()
  resumed.set('1', 10_000).set('2', 10_000)
  world.searchFails = true
  await retries.round(always)
  world.searchFails = false
  await retries.round(() => false)
  expect(searched).toEqual([])
  await retries.round(always)
  expect(searched).toEqual(['1', '2'])
})
