import { beforeEach, describe, expect, test } from '@jest/globals'
import type { FoundEntry } from '#stream/group.ts'
import { type Lease, LeasedEntries } from '#stream/leased-entries.ts'
import { Leases } from '#stream/leases.ts'
import type { Evidence } from '#stream/recovery.ts'
import { SuspectLane } from '#stream/suspect-lane.ts'

type Fields = Record<string, string>

const MIN_IDLE_MS = 1000
let leased: LeasedEntries<Fields>
let told: string[]
/** What still waits by the server, in ms. */
let rest: Map<string, number>
let mayBegin: boolean
let isUsable: boolean
let renews: () => Promise<void>
let lane: SuspectLane

beforeEach(() => {
  leased = new LeasedEntries()
  lane = new SuspectLane()
  ;[told, rest, mayBegin, isUsable, renews] = [[], new Map(), true, true, async () => undefined]
})

function leasesOf(maxDeliveries = 3): Leases<Fields> {
  return new Leases<Fields>({
    stream: 's',
    leased,
    lane,
    maxDeliveries,
    minIdleMs: MIN_IDLE_MS,
    group: {
      renew: async (renewals: readonly { id: string; count?: number }[], idleMs: number) => {
        for (const { id, count } of renewals) told.push(`${id} is given up, ${count ?? 'as it is'}, idle ${idleMs} ms`)
        if (renewals.length === 0) told.push('nothing is given up')
        await renews()
      },
    },
    counter: {
      restore: ({ id }: Lease<Fields>) => void told.push(`restore ${id}`),
      isUnsure: () => false,
    },
    delays: {
      restOf: async (ids: readonly string[]) => {
        told.push(`asked for ${ids.join(' ')}`)
        return rest
      },
    },
    mayBegin: () => mayBegin,
    isUsable: () => isUsable,
    wait: ({ id }: Lease<Fields>, delayMs: number) => void told.push(`${id} waits ${delayMs} ms`),
    onReleased: ({ id }: Lease<Fields>) => void told.push(`${id} is released`),
    onError: ({ message }: Error) => void told.push(message),
  } as never)
}

const found = (id: string, deliveries = 1): FoundEntry => ({ id, fields: ['n', '1'], deliveries })

function lease(id: string, state: 'ready' | 'suspect' | 'active', deliveries = 1): Lease<Fields> {
  const one = leased.add({ id, stream: 's', fields: {}, deliveries }, 0, state)
  if (one === undefined) throw new Error('not leased')
  return one
}

const turn = () => new Promise(resolve => void setImmediate(resolve))

describe('an entry that was found', () => {
  test.each<[string, number, Evidence, number, object]>([
    ['nobody has begun', 1, 'none', 3, { state: 'ready', isSuspect: false, isCounted: true, deliveries: 1 }],
    ['the server has not counted', 0, 'none', 3, { state: 'ready', isSuspect: false, isCounted: false, deliveries: 1 }],
    ['may have had a bad end', 1, 'unsure', 3, { state: 'suspect', isSuspect: true, isCounted: true, deliveries: 1 }],
    ['had a bad end', 1, 'ended', 3, { state: 'suspect', isSuspect: true, isCounted: false, deliveries: 2 }],
    ['had two', 2, 'none', 3, { state: 'suspect', isSuspect: true, isCounted: false, deliveries: 3 }],
    ['had too many', 3, 'ended', 3, { state: 'ready', isSuspect: true, isCounted: false, deliveries: 4 }],
    [
      'had one, where one is the most',
      1,
      'ended',
      1,
      { state: 'suspect', isSuspect: true, isCounted: false, deliveries: 2 },
    ],
    [
      'had two, where one is the most',
      2,
      'ended',
      1,
      { state: 'ready', isSuspect: true, isCounted: false, deliveries: 3 },
    ],
  ])('that %s', async (_, deliveries, evidence, maxDeliveries, expected) => {
    await leasesOf(maxDeliveries).accept([found('1-0', deliveries)], () => evidence)
    const one = leased.get('1-0')
    expect({ ...one, deliveries: one?.entry.deliveries }).toMatchObject(expected)
    expect(one?.entry.fields).toEqual({ n: '1' })
    expect([told, one?.hasStoredDelay]).toEqual([['asked for 1-0'], false])
  })

  test('waits for the rest of its stored delay; the others do not', async () => {
    rest.set('1-0', 700)
    await leasesOf().accept([found('1-0'), found('2-0')], () => 'none')
    expect(told).toEqual(['asked for 1-0 2-0', '1-0 waits 700 ms'])
    expect(leased.get('1-0')).toMatchObject({ state: 'delayed', hasStoredDelay: true })
    expect(leased.get('2-0')).toMatchObject({ state: 'ready', hasStoredDelay: false })
  })

  test('and is leased already stays as it is, and those behind it are taken', async () => {
    lease('1-0', 'active')
    await leasesOf().accept([found('1-0', 7), found('2-0')], () => 'ended')
    expect([leased.get('1-0')?.state, leased.get('1-0')?.isSuspect, leased.has('2-0')]).toEqual(['active', false, true])
  })

  test('by a worker that is paused by then is for others at once, as often delivered as before', async () => {
    const leases = leasesOf()
    mayBegin = false
    await leases.accept([found('1-0', 2)], () => 'ended')
    expect([told, leased.size]).toEqual([['asked for 1-0', '1-0 is given up, as it is, idle 1000 ms'], 0])
  })

  test('nothing found, nothing asked', async () => {
    await leasesOf().accept([], () => 'ended')
    expect(told).toEqual([])
  })
})

describe('what the server hands out although it is leased', () => {
  test.each(['active', 'delayed'] as const)(
    '%s: it is ours anew, alive since it was asked for, and its count put right',
    state => {
      const one = lease('1-0', 'active')
      if (state === 'delayed') leased.move(one, 'delayed')
      one.isLost = true
      const leases = leasesOf()
      leases.repeated('1-0', 50)
      expect([one.isLost, one.aliveAtMs, told]).toEqual([false, 50, ['restore 1-0']])
      leases.repeated('1-0', 40)
      expect(one.aliveAtMs).toBe(50)
    },
  )

  test('being acknowledged, or gone: nothing is to be done', () => {
    const one = lease('1-0', 'active')
    leased.move(one, 'acking')
    one.isLost = true
    const leases = leasesOf()
    leases.repeated('1-0', 50)
    leases.repeated('2-0', 50)
    expect([one.isLost, one.aliveAtMs, told]).toEqual([true, 0, []])
  })
})

test('one that was given up for lost and waits is ours again, and nothing of it is counted', () => {
  const one = lease('1-0', 'ready', 2)
  one.isLost = true
  leasesOf().regain(one, 5)
  expect([one.isLost, one.entry.deliveries, told]).toEqual([false, 2, []])
})

describe('given up', () => {
  test('those that wait for a slot or the lane, for others to take; what runs or pauses stays', async () => {
    lease('1-0', 'ready')
    lease('2-0', 'suspect', 2)
    const [runs, pauses] = [lease('3-0', 'active'), lease('4-0', 'active')]
    leased.move(pauses, 'delayed')
    const leases = leasesOf()
    expect(leases.takeReleased()).toBe(false)
    leases.releaseWaiting()
    await turn()
    expect(told.slice(0, 2)).toEqual(['1-0 is released', '2-0 is released'])
    expect(told.slice(2)).toEqual([1, 2].map(id => `${id}-0 is given up, as it is, idle 1000 ms`))
    expect([...leased.values()]).toEqual([runs, pauses])
    expect([leases.takeReleased(), leases.takeReleased()]).toEqual([true, false])
  })

  test('where none waits there is nothing to look for afterwards', async () => {
    lease('3-0', 'active')
    const leases = leasesOf()
    leases.releaseWaiting()
    await turn()
    expect([told, leases.takeReleased()]).toEqual([[], false])
  })

  test('the server’s refusal is told', async () => {
    lease('1-0', 'ready')
    renews = () => Promise.reject(new Error('Redis is away'))
    leasesOf().releaseWaiting()
    await turn()
    expect(told.at(-1)).toBe('Redis is away')
  })

  test('everything: a run that has not ended is taken back, and who left in good order has shown nothing', async () => {
    lease('1-0', 'active', 2)
    const suspect = lease('2-0', 'suspect', 3)
    lane.enter(suspect, 3, performance.now())
    await leasesOf().releaseAll()
    expect(told).toEqual(['1-0 is given up, 1, idle 1000 ms', '2-0 is given up, as it is, idle 1000 ms'])
    expect(leased.size).toBe(0)
    const next = { entry: { deliveries: 2 } }
    expect(lane.hasRoom(next, 3, performance.now())).toBe(true)
    lane.enter(next, 3, performance.now())
    expect(lane.hasRoom({ entry: { deliveries: 2 } }, 3, performance.now())).toBe(false)
  })

  test('nothing, or without a server: nothing is sent', async () => {
    const leases = leasesOf()
    await leases.releaseAll()
    lease('1-0', 'active')
    isUsable = false
    await leases.releaseAll()
    expect([told, leased.size]).toEqual([[], 0])
  })
})
