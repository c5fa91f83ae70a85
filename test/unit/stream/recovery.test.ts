import { expect, test } from '@jest/globals'
import { DeliveryCounter } from '#stream/delivery-counter.ts'
import type { FoundEntry } from '#stream/group.ts'
import { LeasedEntries } from '#stream/leased-entries.ts'
import { type Evidence, Recovery } from '#stream/recovery.ts'

const MIN_IDLE_MS = 1000
const WITH_FREE_SLOTS = { mayClaim: true, freeSlots: 4, laneRoom: 4, isEmpty: false }

/** A recovery whose server holds one entry of ours, and does what each test says. */
function recoveryOf(
  claim: (minIdleMs: number, cursor: string, count: number) => Promise<{ cursor: string; entries: FoundEntry[] }>,
) {
  const accepted: { id: string; evidence: Evidence }[] = []
  const forgiven: string[] = []
  const regained: string[] = []
  const stalled: string[] = []
  const group = {
    renew: async () => new Set<string>(),
    forgive: async (ids: readonly string[]) => void forgiven.push(...ids),
    ownPending: async () => [{ id: '5-0', deliveries: 1 }],
    bodies: async () => [['5-0', ['key', 'k']]],
    claim,
    hasStale: async () => false,
    removeDeadConsumers: async () => undefined,
  } as never
  const leased = new LeasedEntries<Record<string, string>>()
  const counter = new DeliveryCounter({ group, onError: () => undefined })
  const recovery = new Recovery({
    group,
    leased,
    counter,
    minIdleMs: MIN_IDLE_MS,
    mayInherit: false,
    accept: (entries: readonly FoundEntry[], evidenceOf) => {
      accepted.push(...entries.map(({ id }) => ({ id, evidence: evidenceOf(id) })))
    },
    settleDeleted: () => undefined,
    regain: ({ id }) => void regained.push(id),
    onStalled: id => void stalled.push(id),
  })
  return { recovery, leased, accepted, forgiven, regained, stalled }
}

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
