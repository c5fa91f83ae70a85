import { afterEach, expect, jest, test } from '@jest/globals'
import type { FoundEntry } from '#stream/group.ts'
import { MIN_IDLE_MS, recoveryOf, WITH_FREE_SLOTS } from '#test/support/recovery-rig.ts'

afterEach(() => void jest.restoreAllMocks())

test('what a claim took whose reply was lost is looked for at once, as one of whom its process may have died', async () => {
  const { recovery, accepted } = recoveryOf(() => Promise.reject(new Error('Command timed out')))
  await expect(recovery.maintain(performance.now(), WITH_FREE_SLOTS)).rejects.toThrow('Command timed out')
  expect(recovery.mustScanOwn).toBe(true)
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, freeSlots: 0, laneRoom: 0 })
  expect(accepted).toEqual([{ id: '5-0', evidence: 'ended' }])
})

test('what a lost read brought has not run', async () => {
  const { recovery, accepted } = recoveryOf(() => Promise.reject(new Error('not asked')))
  recovery.readLost()
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, freeSlots: 0, laneRoom: 0 })
  expect(accepted).toEqual([{ id: '5-0', evidence: 'none' }])
})

test('where a read and a claim lost their replies together, a single delivery proves nothing', async () => {
  const { recovery, accepted } = recoveryOf(() => Promise.reject(new Error('Command timed out')))
  const look = () => recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, freeSlots: 0, laneRoom: 0 })
  await expect(recovery.maintain(performance.now(), WITH_FREE_SLOTS)).rejects.toThrow('Command timed out')
  recovery.readLost()
  await look()
  expect(accepted).toEqual([{ id: '5-0', evidence: 'unsure' }])
  recovery.scanOwn()
  await look()
  expect(accepted.at(-1)).toEqual({ id: '5-0', evidence: 'none' })
})

test('the delivery of an entry that went past min-idle while leased is forgiven: the process lives', async () => {
  const { recovery, leased, forgiven } = recoveryOf(() => Promise.reject(new Error('not asked')))
  const entry = { id: '7-0', stream: 's', fields: {}, deliveries: 1 } as never
  const one = leased.add(entry, performance.now() - 2 * MIN_IDLE_MS, 'active')
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, mayClaim: false })
  expect([one?.isLost, forgiven]).toEqual([true, ['7-0']])
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, mayClaim: false })
  expect(forgiven).toEqual(['7-0'])
})

test('a claim that brings a worker its own entries again begins none of them anew, and they are renewed as before', async () => {
  const found = (id: string): FoundEntry => ({ id, fields: ['key', 'k'], deliveries: 1 })
  const { recovery, leased, accepted, regained, stalled } = recoveryOf(async () => ({
    cursor: '0-0',
    entries: [found('7-0'), found('8-0'), found('9-0')],
  }))
  const add = (id: string) =>
    leased.add({ id, stream: 's', fields: {}, deliveries: 1 } as never, performance.now() - MIN_IDLE_MS / 4, 'active')
  const [runs, done] = [add('7-0'), add('8-0')]
  if (runs === undefined || done === undefined) throw new Error('not leased')
  leased.move(done, 'acking')
  const before = performance.now()
  await recovery.maintain(before, WITH_FREE_SLOTS)
  expect(accepted).toEqual([{ id: '9-0', evidence: 'ended' }])
  // What is being acknowledged is nobody's any more.
  expect([regained, stalled]).toEqual([['7-0'], ['9-0']])
  expect([runs.aliveAtMs >= before, done.aliveAtMs >= before]).toEqual([true, false])
})

test('what dead workers left is claimed as far as the lane has room, in one round, with one free slot; new ones wait for no more', async () => {
  const asked: number[] = []
  let next = 100
  const { recovery, accepted } = recoveryOf(async (_, __, count) => {
    asked.push(count)
    const entries = Array.from({ length: count }, () => ({ id: `${next++}-0`, fields: ['key', 'k'], deliveries: 1 }))
    return { cursor: '9-9', entries }
  })
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, freeSlots: 0, laneRoom: 150 })
  expect(asked).toEqual([])
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, freeSlots: 1, laneRoom: 150 })
  expect([asked, accepted.length, recovery.hasUnclaimed]).toEqual([[100, 50], 150, false])
})

const nothing = async () => ({ cursor: '0-0', entries: [] })
const found = (id: string, fields: string[] | null = ['key', 'k'], deliveries = 2): FoundEntry => ({
  id,
  fields,
  deliveries,
})
const entryOf = (id: string) => ({ id, stream: 's', fields: {}, deliveries: 1 }) as never

test('a round is due when something is leased, owed or to be looked for, and else when a look is', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(1)
  const { recovery, leased } = recoveryOf(nothing)
  const nowMs = Math.ceil(performance.now())
  expect(recovery.isDue(nowMs, false)).toBe(true)
  await recovery.maintain(nowMs, WITH_FREE_SLOTS)
  expect([0, 249, 250].map(ms => recovery.isDue(nowMs + ms, false))).toEqual([false, false, true])
  // Of an empty stream half a minute later; and dead consumers are swept once a minute.
  expect([250, 30_249, 30_250, 70_000].map(ms => recovery.isDue(nowMs + ms, true))).toEqual([false, false, true, true])
  recovery.scanOwn()
  expect(recovery.isDue(nowMs, false)).toBe(true)
  await recovery.maintain(nowMs, WITH_FREE_SLOTS)
  expect(recovery.isDue(nowMs, false)).toBe(false)
  leased.add(entryOf('7-0'), nowMs, 'active')
  expect(recovery.isDue(nowMs, false)).toBe(true)
})

test('stale entries that no slot is free for come first, until nothing may be claimed', async () => {
  let looks = 0
  const hasStale = async () => ++looks > 0
  const { recovery } = recoveryOf(() => Promise.reject(new Error('not asked')), { hasStale })
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, freeSlots: 0 })
  expect(recovery.hasUnclaimed).toBe(true)
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, mayClaim: false })
  expect([recovery.hasUnclaimed, looks]).toEqual([false, 1])
})

test('a claim follows its cursor, takes no more than the lane has room for, and goes on where it ended', async () => {
  const asked: [cursor: string, count: number][] = []
  const pages = [
    { cursor: '3-0', entries: [found('1-0'), found('2-0')] },
    { cursor: '9-0', entries: [found('3-0'), found('4-0')] },
    { cursor: '0-0', entries: [found('9-0')] },
  ]
  const { recovery, accepted, stalled } = recoveryOf(async (_, cursor, count) => {
    asked.push([cursor, count])
    return pages.shift() as (typeof pages)[number]
  })
  await recovery.maintain(performance.now(), WITH_FREE_SLOTS)
  expect(asked).toEqual([
    ['0-0', 4],
    ['3-0', 2],
  ])
  expect(recovery.hasUnclaimed).toBe(false)
  await recovery.maintain(performance.now(), WITH_FREE_SLOTS)
  expect(asked.at(-1)).toEqual(['9-0', 4])
  const ids = ['1-0', '2-0', '3-0', '4-0', '9-0']
  expect([accepted.map(({ id }) => id), stalled]).toEqual([ids, ids])
  expect(new Set(accepted.map(({ evidence }) => evidence))).toEqual(new Set(['ended']))
})

test('of what a claim brings, leased entries are ours again, those being acknowledged are let alone, deleted ones settled', async () => {
  const claimed = [found('1-0'), found('2-0'), found('3-0', null)]
  const { recovery, leased, accepted, regained, stalled, deleted } = recoveryOf(async () => ({
    cursor: '0-0',
    entries: claimed,
  }))
  const nowMs = performance.now()
  const one = leased.add(entryOf('1-0'), nowMs - 100, 'active')
  const other = leased.add(entryOf('2-0'), nowMs - 100, 'active')
  leased.move(other as never, 'acking')
  await recovery.maintain(nowMs, WITH_FREE_SLOTS)
  expect({ accepted, regained, stalled, deleted }).toEqual({
    accepted: [],
    regained: ['1-0'],
    stalled: [],
    deleted: ['3-0'],
  })
  expect(one?.aliveAtMs).toBeGreaterThanOrEqual(nowMs)
  expect(other?.aliveAtMs).toBe(nowMs - 100)
})

test('own entries are looked for page by page; those that are leased are left where they are', async () => {
  const pages = [
    Array.from({ length: 100 }, (_, at) => ({ id: `${at + 1}-0`, deliveries: 1 })),
    [
      { id: '101-0', deliveries: 1 },
      { id: '102-0', deliveries: 1 },
    ],
  ]
  const afters: string[] = []
  const asked: string[] = []
  const { recovery, leased, accepted, deleted } = recoveryOf(nothing, {
    ownPending: async (after: string) => {
      afters.push(after)
      return pages.shift()
    },
    bodies: async (ids: readonly string[]) => {
      asked.push(...ids)
      return ids.map(id => (id === '102-0' ? undefined : [id, ['key', 'k']]))
    },
  })
  leased.add(entryOf('50-0'), performance.now(), 'active')
  recovery.scanOwn()
  await recovery.maintain(performance.now(), WITH_FREE_SLOTS)
  expect(afters).toEqual(['', '100-0'])
  expect([asked.length, asked.includes('50-0')]).toEqual([101, false])
  expect([accepted.length, deleted, recovery.mustScanOwn]).toEqual([100, ['102-0'], false])
})

test('what was not begun when it went past min-idle is let go of, and looked for', async () => {
  const { recovery, leased, stalled } = recoveryOf(nothing)
  leased.add(entryOf('7-0'), performance.now() - 2 * MIN_IDLE_MS, 'ready')
  await recovery.maintain(performance.now(), { ...WITH_FREE_SLOTS, mayClaim: false })
  expect([leased.has('7-0'), stalled, recovery.mustScanOwn]).toEqual([false, ['7-0'], true])
})

test('leases are renewed after a third of min-idle, and those that the server does not own are lost', async () => {
  const renewed: string[][] = []
  const { recovery, leased, stalled } = recoveryOf(nothing, {
    renew: async (renewals: { id: string }[]) => {
      renewed.push(renewals.map(({ id }) => id))
      return new Map([['2-0', 1]])
    },
  })
  const nowMs = Math.ceil(performance.now())
  const young = leased.add(entryOf('1-0'), nowMs - 333, 'active')
  const ours = leased.add(entryOf('2-0'), nowMs - 334, 'active')
  const theirs = leased.add(entryOf('3-0'), nowMs - MIN_IDLE_MS + 1, 'active')
  await recovery.maintain(nowMs, { ...WITH_FREE_SLOTS, mayClaim: false })
  expect(renewed).toEqual([['2-0', '3-0']])
  expect([young, ours, theirs].map(one => one?.isLost)).toEqual([false, false, true])
  expect([ours?.aliveAtMs, stalled]).toEqual([nowMs, ['3-0']])
})
