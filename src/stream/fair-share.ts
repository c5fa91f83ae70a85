/** Who wants slots: how many it uses now, and how many more it could use. */
export interface Claimant {
  active: number
  wants: number
  /** Twice the weight, twice the slots. Missing = 1. */
  weight?: number
}

/**
 * Shares `available` slots so that those who use least for their weight catch up first (max-min fairness), and no slot stays
 * idle while anyone wants it. Pure; returns grants in the order of the claimants.
 */
export function shareFairly(available: number, claimants: readonly Claimant[]): number[] {
  const [first] = claimants
  const isEven = claimants.every(({ weight }) => weight === first?.weight)
  return isEven ? shareEvenly(available, claimants) : shareByWeight(available, claimants)
}

/** One slot after the other, to whoever has the least for its weight then. */
function shareByWeight(available: number, claimants: readonly Claimant[]): number[] {
  const grants = claimants.map(() => 0)
  for (let left = Math.floor(available); left > 0; left--) {
    let [poorest, least] = [-1, Number.POSITIVE_INFINITY]
    for (const [index, { active, wants, weight = 1 }] of claimants.entries()) {
      const level = (active + at(grants, index) + 1) / weight
      if (at(grants, index) < wants && level < least) [poorest, least] = [index, level]
    }
    if (poorest < 0) break
    grants[poorest] = at(grants, poorest) + 1
  }
  return grants
}

function shareEvenly(available: number, claimants: readonly Claimant[]): number[] {
  const grants = claimants.map(() => 0)
  const order = claimants
    .map((claimant, index) => ({ ...claimant, index }))
    .filter(({ wants }) => wants > 0)
    .sort((left, right) => left.active - right.active)
  let left = Math.max(0, Math.floor(available))
  let open = order
  while (left > 0 && open.length > 0) {
    // Everyone below the level is lifted towards it; those who want no more fall out.
    const level = levelOf(left, open, grants)
    for (const { index, active, wants } of open) {
      const grant = Math.min(wants - at(grants, index), Math.max(0, level - active - at(grants, index)), left)
      grants[index] = at(grants, index) + grant
      left -= grant
    }
    const still = open.filter(({ index, wants }) => at(grants, index) < wants)
    if (still.length === open.length) return handOutRest(left, still, grants)
    open = still
  }
  return grants
}

/** The highest common level that `left` slots can lift the least busy to, whole slots only. */
function levelOf(left: number, open: readonly { index: number; active: number }[], grants: readonly number[]): number {
  const levels = open.map(({ index, active }) => active + at(grants, index)).sort((a, b) => a - b)
  let sum = 0
  let best = (levels[0] ?? 0) + left
  for (let count = 1; count <= levels.length; count++) {
    sum += levels[count - 1] as number
    const level = Math.floor((left + sum) / count)
    best = level
    if (count < levels.length && level <= (levels[count] as number)) break
  }
  return best
}

function handOutRest(left: number, open: readonly { index: number }[], grants: number[]): number[] {
  let rest = left
  for (const { index } of open) {
    if (rest === 0) break
    grants[index] = at(grants, index) + 1
    rest -= 1
  }
  return grants
}

function at(list: readonly number[], index: number): number {
  return list[index] as number
}
