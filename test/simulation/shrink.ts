import type { Plan } from './plan.ts'
import { runWorld, type Verdict } from './run-world.ts'

/** Does this plan still break the same invariant? Then its verdict. */
async function stillBreaks(plan: Plan, invariant: string): Promise<Verdict | undefined> {
  const verdict = await runWorld(plan)
  return verdict.violations.some(violation => invariantOf(violation) === invariant) ? verdict : undefined
}

export function invariantOf(violation: string): string {
  return violation.split(':', 1)[0] ?? ''
}

/** Smaller worlds, each by one thing: a fault less, then a simpler setting. */
function* smaller(plan: Plan): Generator<Plan> {
  for (const fault of plan.faults) yield { ...plan, faults: plan.faults.filter(other => other !== fault) }
  if (plan.moneyFaultRate > 0) yield { ...plan, moneyFaultRate: 0 }
  if (plan.promotions > 1) yield { ...plan, promotions: 1, maxInFlight: plan.slots }
  if (plan.workers > 1) yield { ...plan, workers: plan.workers - 1 }
  for (const gifts of [1, 2, plan.gifts >> 1, plan.gifts - 1]) {
    if (gifts > 0 && gifts < plan.gifts) yield { ...plan, gifts }
  }
  if (plan.refusedTargets.size > 0) yield { ...plan, refusedTargets: new Set() }
  if (plan.slots > 1) yield { ...plan, slots: plan.slots - 1 }
}

/** The smallest world found, by dropping one thing after the other, that breaks the same invariant. */
export async function shrink(plan: Plan, invariant: string): Promise<Plan> {
  for (const candidate of smaller(plan)) {
    if ((await stillBreaks(candidate, invariant)) !== undefined) return shrink(candidate, invariant)
  }
  return plan
}
