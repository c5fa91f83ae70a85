import { Random } from './random.ts'

export const FAULT_KINDS = [
  'crash',
  'freeze',
  'restart',
  'crash-listener',
  'lost-reply',
  'silence',
  'cut',
  'lost-second',
  'failover',
  'duplicate',
  'redelivery',
  'clock-jump',
  'slow-disk',
  'database-error',
  'group-gone',
  'pause',
  'stop',
  'money-down',
  'money-refuses',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

/** One fault: at which step of the world it strikes (each await of a port has several), how long, and whom. */
export interface Fault {
  kind: FaultKind
  step: number
  /** How long, or how far, as a share from 0 to 1 of what the kind knows. */
  size: number
  /** Which process, stream or row, as a share of those that there are. */
  whom: number
}

/** Bugs that the models can have; those of the source are planted by editing it. */
export type Plant = 'last-write-wins'

/** A small world and what befalls it; a function of its seed. */
export interface Plan {
  seed: number
  workers: number
  /** Of one promotion in one process, and of all of them together. */
  slots: number
  maxInFlight: number
  promotions: number
  gifts: number
  minIdleMs: number
  /** An entry may come this often before it counts as poison: as often as the faults can be to blame for. */
  maxDeliveries: number
  /** After the last fault everything must be done within this, in virtual ms. */
  drainMs: number
  hasAckDel: boolean
  moneyFaultRate: number
  /** Gifts that the Money API will never pay. */
  refusedTargets: Set<string>
  faults: Fault[]
  plants: ReadonlySet<Plant>
}

const MOST_FAULTS = 4
/** Faults after which nothing has to be taken from a dead process: what they disturb is found without waiting. */
const MENDED_AT_ONCE: readonly FaultKind[] = [
  'lost-reply',
  'cut',
  'failover',
  'redelivery',
  'database-error',
  'pause',
  'money-down',
]
/** Longer than a world may take after such faults. */
const LONG_IDLE_MS = 60_000

export function planOf(seed: number, plants: ReadonlySet<Plant> = new Set()): Plan {
  const random = new Random(seed, 1)
  const slots = random.whole(1, 4)
  const promotions = random.chance(0.25) ? 2 : 1
  const gifts = random.whole(1, 12)
  const targets = Array.from({ length: gifts }, (_, index) => String(index + 1))
  const steps = 30 + gifts * 30
  const isQuick = random.chance(0.25)
  const kinds = isQuick ? MENDED_AT_ONCE : FAULT_KINDS
  const faults = Array.from({ length: random.whole(0, MOST_FAULTS) }, () => ({
    kind: random.pick(kinds),
    step: random.whole(1, steps),
    size: random.next(),
    whom: random.next(),
  }))
  return {
    seed,
    workers: random.whole(1, 3),
    slots,
    maxInFlight: promotions === 1 ? slots : random.whole(slots, 2 * slots),
    promotions,
    gifts,
    minIdleMs: isQuick ? LONG_IDLE_MS : random.pick([1500, 2500, 4000]),
    maxDeliveries: Math.max(2, faults.length + 1),
    drainMs: isQuick ? LONG_IDLE_MS / 2 : 120_000,
    hasAckDel: random.chance(0.5),
    moneyFaultRate: random.pick([0, 0, 0.1, 0.4]),
    refusedTargets: new Set(targets.filter(() => random.chance(0.05))),
    faults: faults.sort((left, right) => left.step - right.step),
    plants,
  }
}
