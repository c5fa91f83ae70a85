import { expect, test } from '@jest/globals'
import { LeasedEntries } from '#stream/leased-entries.ts'
import { Leases } from '#stream/leases.ts'

test('a run that was given up for lost and claimed back counts once, beside what stands against others by now', () => {
  const restored: number[] = []
  const leased = new LeasedEntries<Record<string, string>>()
  const leases = new Leases({
    leased,
    counter: { restore: (lease: { entry: { deliveries: number } }) => void restored.push(lease.entry.deliveries) },
  } as never)
  // It came as the second delivery: the first owner was taken for dead, woke up, and has forgiven its own since.
  const lease = leased.add({ id: '1-0', stream: 's', fields: {}, deliveries: 2 }, performance.now(), 'ready')
  if (lease === undefined) throw new Error('not leased')
  leased.move(lease, 'active')
  leases.regain(lease, 0)
  expect(restored).toEqual([])
  lease.isLost = true
  leases.regain(lease, 0)
  expect([lease.isLost, restored]).toEqual([false, [1]])
  // Its own forgiveness was lost on the way: it is no bad end of others.
  lease.isLost = true
  leases.regain(lease, 1)
  expect(restored).toEqual([1, 1])
})

test.each([
  [true, 1],
  [false, undefined],
])(
  'given up while it is unsure (%s) whether its last delivery was taken back: the server is told',
  async (isUnsure, count) => {
    const renewed: unknown[] = []
    const leased = new LeasedEntries<Record<string, string>>()
    const leases = new Leases({
      leased,
      group: { renew: async (renewals: readonly unknown[]) => void renewed.push(...renewals) },
      counter: { isUnsure: () => isUnsure },
      lane: { leave: () => undefined },
      isUsable: () => true,
      minIdleMs: 1000,
    } as never)
    const lease = leased.add({ id: '1-0', stream: 's', fields: {}, deliveries: 2 }, performance.now(), 'ready')
    if (lease === undefined) throw new Error('not leased')
    lease.isCounted = false
    await leases.releaseAll()
    expect(renewed).toEqual([count === undefined ? { id: '1-0' } : { id: '1-0', count }])
  },
)
