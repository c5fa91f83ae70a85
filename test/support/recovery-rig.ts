import { DeliveryCounter } from '#stream/delivery-counter.ts'
import type { FoundEntry } from '#stream/group.ts'
import { LeasedEntries } from '#stream/leased-entries.ts'
import { type Evidence, Recovery, type RecoveryOptions } from '#stream/recovery.ts'

export const MIN_IDLE_MS = 1000
export const WITH_FREE_SLOTS = { mayClaim: true, freeSlots: 4, laneRoom: 4, isEmpty: false }

/** A recovery whose server holds one entry of ours, and does what each test says. */
export function recoveryOf(
  claim: (minIdleMs: number, cursor: string, count: number) => Promise<{ cursor: string; entries: FoundEntry[] }>,
  others: object = {},
  options: Partial<Pick<RecoveryOptions<Record<string, string>>, 'mayInherit' | 'minIdleMs' | 'accept'>> = {},
) {
  const accepted: { id: string; evidence: Evidence }[] = []
  const forgiven: string[] = []
  const regained: string[] = []
  const stalled: string[] = []
  const deleted: string[] = []
  const group = {
    renew: async () => new Set<string>(),
    forgive: async (ids: readonly string[]) => void forgiven.push(...ids),
    ownPending: async () => [{ id: '5-0', deliveries: 1 }],
    bodies: async () => [['5-0', ['key', 'k']]],
    claim,
    hasStale: async () => false,
    removeDeadConsumers: async () => undefined,
    ...others,
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
    settleDeleted: id => void deleted.push(id),
    regain: ({ id }) => void regained.push(id),
    onStalled: id => void stalled.push(id),
    ...options,
  })
  return { recovery, leased, accepted, forgiven, regained, stalled, deleted }
}
