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
  /** An entry may come this often before it counts as poison. */
  maxDeliveries: number
  /** After the last fault everything must be done within this, in virtual ms. */
  drainMs: number
  hasAckDel: boolean
  moneyFaultRate: number
  /** Gifts that the Money API will never pay. */
  refusedTargets: Set<string>
  /** A gift at whose payment the process dies, each time. */
  killer: string | undefined
  faults: Fault[]
  plants: ReadonlySet<Plant>
}

/** POSTs of one gift in all: few, so that gifts become UNKNOWN. */
export const MAX_ATTEMPTS = 3

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
/** Beside a gift that kills, only what makes replies go astray: each other death would stand against its neighbours too. */
const BESIDE_A_KILLER: readonly FaultKind[] = ['lost-reply', 'cut', 'silence']
/** Longer than a world may take after such faults. */
const LONG_IDLE_MS = 60_000
/** Spoilt answers may open the breaker again and again once it was open, for a few seconds each. */
const SPOILT_DRAIN_MS = 55_000

export function planOf(seed: number, plants: ReadonlySet<Plant> = new Set()): Plan {
  const random = new Random(seed, 1)
  const slots = random.whole(1, 4)
  const promotions = random.chance(0.25) ? 2 : 1
  const gifts = random.whole(1, 12)
  const targets = Array.from({ length: gifts }, (_, index) => String(index + 1))
  const steps = 30 + gifts * 30
  const isQuick = random.chance(0.25)
  const killer = !isQuick && random.chance(0.1) ? random.pick(targets) : undefined
  const kinds = isQuick ? MENDED_AT_ONCE : killer === undefined ? FAULT_KINDS : BESIDE_A_KILLER
  const faults = Array.from({ length: random.whole(0, MOST_FAULTS) }, () => ({
    kind: random.pick(kinds),
    step: random.whole(1, steps),
    size: random.next(),
    whom: random.next(),
  }))
  const plan = {
    seed,
    workers: random.whole(1, 3),
    slots,
    maxInFlight: promotions === 1 ? slots : random.whole(slots, 2 * slots),
    promotions,
    gifts,
    minIdleMs: isQuick ? LONG_IDLE_MS : random.pick([1500, 2500, 4000]),
    maxDeliveries: mostDeliveries(isQuick, killer !== undefined, faults.length),
    drainMs: isQuick ? LONG_IDLE_MS / 2 : 120_000,
    hasAckDel: random.chance(0.5),
    moneyFaultRate: random.pick([0, 0, 0.1, 0.4]),
    refusedTargets: new Set(targets.filter(() => random.chance(0.05))),
    killer,
    faults: faults.sort((left, right) => left.step - right.step),
    plants,
  }
  return isQuick && plan.moneyFaultRate > 0 ? { ...plan, drainMs: SPOILT_DRAIN_MS } : plan
}

/**
 * An entry may come this often before it counts as poison. Nobody dies in a quick world: there nothing may count. Beside a
 * killer one delivery is for dying in company, the last for being alone, and one or two for replies that went astray: what a
 * dead process had claimed and never begun cannot be told from what it died of (seed 4858 with 2, seed 197779 with 3: two
 * servers' silences, and an acknowledgement that did not come before its process died).
 */
function mostDeliveries(isQuick: boolean, isBesideKiller: boolean, faults: number): number {
  if (isQuick) return 1
  if (isBesideKiller) return 2 + Math.min(2, faults)
  return Math.max(2, faults + 1)
}
