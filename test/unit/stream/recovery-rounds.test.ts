import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { FoundEntry } from '#stream/group.ts'
import { MIN_IDLE_MS, recoveryOf, WITH_FREE_SLOTS } from '#test/support/recovery-rig.ts'

const START_MS = 100_000
const nothing = async () => ({ cursor: '0-0', entries: [] })
const notAsked = () => Promise.reject(new Error('not asked'))
const WITHOUT_CLAIM = { ...WITH_FREE_SLOTS, mayClaim: false }
/** Looks for own entries, and takes nothing from others. */
const WITHOUT_SLOTS = { ...WITH_FREE_SLOTS, freeSlots: 0, laneRoom: 0 }
const entryOf = (id: string, deliveries = 1) => ({ id, stream: 's', fields: {}, deliveries })
const found = (id: string): FoundEntry => ({ id, fields: ['key', 'k'], deliveries: 1 })
/** A server that has these entries of ours. */
const owning = (...ids: string[]) => ({
  ownPending: async () => ids.map(id => ({ id, deliveries: 1 })),
  bodies: async (asked: readonly string[]) => asked.map(id => [id, ['key', 'k']]),
})

let now: jest.SpiedFunction<() => number>
beforeEach(() => {
  now = jest.spyOn(globalThis.performance, 'now').mockReturnValue(START_MS)
  jest.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => void jest.restoreAllMocks())

describe('what a name was given for', () => {
  test('may be left by the process before, which may have died of it', async () => {
    const { recovery, accepted } = recoveryOf(nothing, {}, { mayInherit: true })
    expect([recovery.mustScanOwn, recovery.hasUnclaimed]).toEqual([true, false])
    await recovery.maintain(START_MS, WITHOUT_SLOTS)
    expect(accepted).toEqual([{ id: '5-0', evidence: 'ended' }])
  })

  test('a name of one’s own was nobody’s before', () => {
    expect(recoveryOf(nothing).recovery.mustScanOwn).toBe(false)
  })
})

test('consumers that are dead are looked for once a minute, the first time at a moment of its own', async () => {
  const swept: number[] = []
  const { recovery } = recoveryOf(nothing, { removeDeadConsumers: async (ms: number) => void swept.push(ms) })
  const round = async (ms: number) => {
    await recovery.maintain(START_MS + ms, WITHOUT_CLAIM)
    return swept.length
  }
  const counts = []
  for (const ms of [0, 29_999, 30_000, 89_999, 90_000]) counts.push(await round(ms))
  expect(counts).toEqual([0, 0, 1, 1, 2])
  expect(swept).toEqual([10 * MIN_IDLE_MS, 10 * MIN_IDLE_MS])
})

test('a look for dead consumers alone makes a round due', async () => {
  const { recovery } = recoveryOf(nothing)
  await recovery.maintain(START_MS, WITH_FREE_SLOTS)
  recovery.claimSoon()
  await recovery.maintain(START_MS + 29_900, WITH_FREE_SLOTS)
  expect([29_999, 30_000].map(ms => recovery.isDue(START_MS + ms, true))).toEqual([false, true])
})

test('of what was let go of, only bad ends beside the run that is taken back stand against it when it is found', async () => {
  const { recovery, accepted } = recoveryOf(nothing, owning('1-0', '2-0', '3-0'))
  const remember = (id: string, deliveries: number, isCounted: boolean) =>
    recovery.remember({ id, entry: entryOf(id, deliveries), isCounted } as never)
  remember('1-0', 2, false)
  remember('2-0', 1, false)
  remember('3-0', 2, true)
  recovery.scanOwn()
  await recovery.maintain(START_MS, WITHOUT_SLOTS)
  expect(accepted.map(({ evidence }) => evidence)).toEqual(['ended', 'none', 'none'])
})

describe('a round', () => {
  test('at a time: another one that begins meanwhile does nothing, and whoever waits for its end is told', async () => {
    const reply = Promise.withResolvers<{ cursor: string; entries: FoundEntry[] }>()
    let claims = 0
    const { recovery } = recoveryOf(() => {
      claims += 1
      return reply.promise
    })
    await recovery.settled()
    const first = recovery.maintain(START_MS, WITH_FREE_SLOTS)
    await recovery.maintain(START_MS, WITH_FREE_SLOTS)
    let isSettled = false
    const settled = recovery.settled().then(() => (isSettled = true))
    await new Promise(resolve => void setImmediate(resolve))
    expect([claims, isSettled]).toEqual([1, false])
    reply.reject(new Error('Command timed out'))
    await expect(first).rejects.toThrow('Command timed out')
    await settled
    await recovery.maintain(START_MS, WITHOUT_SLOTS)
    await recovery.settled()
  })

  test.each([
    [1000, 187.5],
    [100, 75],
    [60_000, 750],
  ])('with a min-idle of %i ms looks for stale entries after %f ms at the soonest', async (minIdleMs, pauseMs) => {
    jest.mocked(Math.random).mockReturnValue(0)
    let claims = 0
    const claim = async () => {
      claims += 1
      return nothing()
    }
    const { recovery } = recoveryOf(claim, {}, { minIdleMs })
    await recovery.maintain(START_MS, WITH_FREE_SLOTS)
    await recovery.maintain(START_MS + pauseMs - 1, WITH_FREE_SLOTS)
    expect(claims).toBe(1)
    await recovery.maintain(START_MS + pauseMs, { ...WITH_FREE_SLOTS, isEmpty: true })
    expect(claims).toBe(1)
    await recovery.maintain(START_MS + pauseMs, WITH_FREE_SLOTS)
    expect(claims).toBe(2)
    recovery.claimSoon()
    await recovery.maintain(START_MS + pauseMs, WITH_FREE_SLOTS)
    expect(claims).toBe(3)
  })
})

describe('a lease', () => {
  const renewing = (renewed: string[][], owned: readonly string[] = []) => ({
    renew: async (renewals: readonly { id: string }[]) => {
      renewed.push(renewals.map(({ id }) => id))
      return new Map(owned.map(id => [id, 1]))
    },
  })

  test('of min-idle’s age is not renewed any more: it may be another’s', async () => {
    const renewed: string[][] = []
    const { recovery, leased } = recoveryOf(nothing, renewing(renewed, ['1-0']))
    const one = leased.add(entryOf('1-0'), START_MS - MIN_IDLE_MS, 'active')
    await recovery.maintain(START_MS, WITHOUT_CLAIM)
    // What runs goes on, and is not looked for.
    expect([one?.isLost, one?.state, recovery.mustScanOwn, renewed]).toEqual([true, 'active', false, []])
  })

  test('that is lost already, or being acknowledged, is not renewed', async () => {
    const renewed: string[][] = []
    const { recovery, leased, stalled } = recoveryOf(nothing, renewing(renewed))
    const [lost, done] = ['1-0', '2-0'].map(id => leased.add(entryOf(id), START_MS - MIN_IDLE_MS / 2, 'active'))
    if (lost === undefined || done === undefined) throw new Error('not leased')
    lost.isLost = true
    leased.move(done, 'acking')
    await recovery.maintain(START_MS, WITHOUT_CLAIM)
    done.aliveAtMs = START_MS - 2 * MIN_IDLE_MS
    await recovery.maintain(START_MS, WITHOUT_CLAIM)
    expect([renewed, stalled, done.isLost]).toEqual([[], [], false])
  })

  test('that is done or given up while it is renewed is not lost', async () => {
    const reply = Promise.withResolvers<Map<string, number>>()
    const { recovery, leased, stalled } = recoveryOf(nothing, { renew: () => reply.promise })
    const [done, gone] = ['1-0', '2-0'].map(id => leased.add(entryOf(id), START_MS - MIN_IDLE_MS / 2, 'active'))
    const round = recovery.maintain(START_MS, WITHOUT_CLAIM)
    leased.move(done as never, 'acking')
    leased.remove(gone as never)
    reply.resolve(new Map())
    await round
    expect([stalled, done?.isLost, gone?.isLost]).toEqual([[], false, false])
  })

  test('that the server has seen alive since it was asked is as young as that', async () => {
    const { recovery, leased } = recoveryOf(nothing, renewing([], ['1-0']))
    const one = leased.add(entryOf('1-0'), START_MS - MIN_IDLE_MS / 2, 'active')
    const round = recovery.maintain(START_MS, WITHOUT_CLAIM)
    if (one !== undefined) one.aliveAtMs = START_MS + 5
    await round
    expect(one?.aliveAtMs).toBe(START_MS + 5)
  })

  test('that was lost before it was begun has its bad ends when it is found again', async () => {
    const { recovery, leased, accepted } = recoveryOf(nothing, owning('1-0'))
    leased.add(entryOf('1-0', 2), START_MS - MIN_IDLE_MS, 'suspect')
    await recovery.maintain(START_MS, WITHOUT_SLOTS)
    expect(accepted).toEqual([{ id: '1-0', evidence: 'ended' }])
  })
})

describe('a look for own entries', () => {
  test('that fails is made again, with all that was known', async () => {
    let isAway = true
    const server = owning('1-0', '2-0')
    const { recovery, accepted, leased } = recoveryOf(notAsked, {
      ...server,
      ownPending: () => (isAway ? Promise.reject(new Error('Redis is away')) : server.ownPending()),
    })
    await expect(recovery.maintain(START_MS, WITH_FREE_SLOTS)).rejects.toThrow('not asked')
    recovery.readLost()
    recovery.remember({ id: '1-0', entry: entryOf('1-0', 2), isCounted: false } as never)
    await expect(recovery.maintain(START_MS, WITHOUT_SLOTS)).rejects.toThrow('Redis is away')
    expect(recovery.mustScanOwn).toBe(true)
    isAway = false
    await recovery.maintain(START_MS, WITHOUT_SLOTS)
    expect(accepted.map(({ evidence }) => evidence)).toEqual(['ended', 'unsure'])
    expect([recovery.mustScanOwn, leased.size]).toEqual([false, 0])
  })

  test('waits while nothing may be begun', async () => {
    const { recovery, accepted } = recoveryOf(notAsked)
    recovery.scanOwn()
    await recovery.maintain(START_MS, WITHOUT_CLAIM)
    expect([accepted, recovery.mustScanOwn]).toEqual([[], true])
  })

  test('finds what a claim brought to a worker that was paused by then, with its bad ends; not what was taken in', async () => {
    const rig = recoveryOf(async () => ({ cursor: '0-0', entries: [found('1-0'), found('2-0')] }), owning('1-0', '2-0'))
    const { recovery, leased, accepted } = rig
    await recovery.maintain(START_MS, WITH_FREE_SLOTS)
    leased.add(entryOf('2-0'), START_MS, 'ready')
    accepted.length = 0
    recovery.scanOwn()
    await recovery.maintain(START_MS, WITHOUT_SLOTS)
    expect(accepted).toEqual([{ id: '1-0', evidence: 'ended' }])
  })
})

describe('a claim', () => {
  test('asks nobody where the lane has no room, and stops no read', async () => {
    const asked: string[] = []
    const hasStale = async () => asked.push('stale') > 0
    const { recovery } = recoveryOf(notAsked, { hasStale })
    await recovery.maintain(START_MS, { ...WITH_FREE_SLOTS, laneRoom: 0 })
    expect([asked, recovery.hasUnclaimed, recovery.isDue(START_MS, false)]).toEqual([[], false, true])
  })

  test('ends after a hundred pages; what is left comes before new entries, and at once', async () => {
    let pages = 0
    const { recovery, accepted } = recoveryOf(async () => ({
      cursor: '9-9',
      entries: pages++ === 0 ? [found('1-0')] : [],
    }))
    await recovery.maintain(START_MS, WITH_FREE_SLOTS)
    expect([pages, accepted.length, recovery.hasUnclaimed]).toEqual([100, 1, true])
    expect(recovery.isDue(START_MS, false)).toBe(true)
  })

  test('whose answer is old by the time it comes says no more than when it was asked', async () => {
    const rig = recoveryOf(async () => {
      now.mockReturnValue(START_MS + 500)
      return { cursor: '0-0', entries: [found('1-0')] }
    })
    const one = rig.leased.add(entryOf('1-0'), START_MS - 100, 'active')
    await rig.recovery.maintain(START_MS, WITH_FREE_SLOTS)
    expect(one?.aliveAtMs).toBe(START_MS)
  })
})

test('what a claim brought and was taken in has no bad end for having been claimed, once it is given up and found again', async () => {
  const claim = async () => ({ cursor: '0-0', entries: [found('1-0')] })
  const evidence: string[] = []
  const rig = recoveryOf(claim, owning('1-0'), {
    accept: (entries, evidenceOf) => {
      for (const { id } of entries) {
        evidence.push(evidenceOf(id))
        rig.leased.add(entryOf(id), START_MS, 'ready')
      }
    },
  })
  await rig.recovery.maintain(START_MS, WITH_FREE_SLOTS)
  const lease = rig.leased.get('1-0')
  if (lease !== undefined) rig.leased.remove(lease)
  rig.recovery.scanOwn()
  await rig.recovery.maintain(START_MS, WITHOUT_SLOTS)
  expect(evidence).toEqual(['ended', 'none'])
})

test('what was known of an entry, or of a lost read, is of one look: the next one knows what was lost since', async () => {
  const evidence: string[] = []
  const rig = recoveryOf(notAsked, owning('1-0'), {
    accept: (entries, evidenceOf) => {
      for (const { id } of entries) {
        evidence.push(evidenceOf(id))
        rig.leased.add(entryOf(id), START_MS, 'ready')
      }
    },
  })
  const look = async () => {
    rig.recovery.scanOwn()
    await rig.recovery.maintain(START_MS, WITHOUT_SLOTS)
    const lease = rig.leased.get('1-0')
    if (lease !== undefined) rig.leased.remove(lease)
  }
  rig.recovery.readLost()
  rig.recovery.remember({ id: '1-0', entry: entryOf('1-0', 2), isCounted: false } as never)
  await look()
  await look()
  await expect(rig.recovery.maintain(START_MS, WITH_FREE_SLOTS)).rejects.toThrow('not asked')
  await look()
  expect(evidence).toEqual(['ended', 'none', 'ended'])
})
