/** A promotion that wants slots. */
export interface SlotClaim {
  /** Twice the weight, twice the slots, where no deadline says otherwise. */
  weight: number
  /** Slots that it can use at most. */
  most: number
  /** Time until its deadline, in ms; missing: it has none to keep. */
  leftMs?: number
  /** Slots with which it is done by then; Infinity: there is not even the time of a call. */
  needed?: number
}

/** What everybody keeps of the slots of its weight, whoever is in a hurry. */
const KEPT = 0.1
/** A promotion is to be done this much before its deadline: a tenth of the time left, and 5 s at least. */
const SPARE_SHARE = 0.1
const SPARE_MS = 5000

/**
 * How many of `slots` each gets. First everybody's least (a tenth of its share by weight, one slot at least); then, the earliest
 * deadline first, what is needed by those that can be kept, then what is left for those that will be late; the rest by weight.
 * They come to `slots`, or to all that can be used. Pure.
 */
export function slotShares(slots: number, claims: readonly SlotClaim[]): number[] {
  const none = claims.map(() => 0)
  const fair = fillByWeight(slots, claims, none)
  const least = claims.map(({ most }, index) => Math.min(most, Math.max(1, Math.floor(KEPT * at(fair, index)))))
  // More promotions than slots: each has its turn.
  if (sum(least) > slots) return claims.map(({ most }) => Math.min(most, 1))
  const shares = [...least]
  let left = slots - sum(shares)
  const give = (index: number, wanted: number) => {
    const more = Math.max(0, Math.min(left, wanted - at(shares, index)))
    shares[index] = at(shares, index) + more
    left -= more
  }
  const hurried = [...claims.keys()].filter(index => leftOf(claims, index) !== undefined)
  hurried.sort((one, other) => (leftOf(claims, one) ?? 0) - (leftOf(claims, other) ?? 0))
  const late: number[] = []
  for (const index of hurried) {
    const { needed = 0, most } = claims[index] as SlotClaim
    if (needed <= most && needed - at(shares, index) <= left) give(index, needed)
    else late.push(index)
  }
  for (const index of late) give(index, claims[index]?.most ?? 0)
  return fillByWeight(slots, claims, shares)
}

/**
 * Slots with which `gifts` are done in time, of each of `workers` processes; a gift holds one for `slotMs` (Little, 1961). Pure.
 */
export function slotsNeeded(gifts: number, leftMs: number, { slotMs, workers }: { slotMs: number; workers: number }) {
  const aimMs = Math.min((1 - SPARE_SHARE) * leftMs, leftMs - SPARE_MS)
  return aimMs <= 0 ? Number.POSITIVE_INFINITY : Math.ceil((gifts * slotMs) / aimMs / workers)
}

/** A process's slots while calls wait: so many that work is never short, and no more, as who waits in line has no share. Pure. */
export function slotsOfUse(
  slots: number,
  { inUse, waiting }: { inUse: number; waiting: number },
  most: number,
): number {
  const working = Math.max(0, inUse - waiting)
  if (waiting > working) return Math.min(most, Math.max(LEAST_SLOTS, 2 * working))
  return waiting <= working / 4 ? Math.min(most, 4 * slots) : slots
}

const LEAST_SLOTS = 16

/** Fills up from `from`, one slot after the other, to whoever has the least for its weight then. */
function fillByWeight(slots: number, claims: readonly SlotClaim[], from: readonly number[]): number[] {
  const shares = [...from]
  for (let left = slots - sum(from); left > 0; left--) {
    let [poorest, lowest] = [-1, Number.POSITIVE_INFINITY]
    for (const [index, { weight, most }] of claims.entries()) {
      const level = (at(shares, index) + 1) / weight
      if (at(shares, index) < most && level < lowest) [poorest, lowest] = [index, level]
    }
    if (poorest < 0) break
    shares[poorest] = at(shares, poorest) + 1
  }
  return shares
}

const leftOf = (claims: readonly SlotClaim[], index: number) => claims[index]?.leftMs
const at = (list: readonly number[], index: number) => list[index] as number
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0)
