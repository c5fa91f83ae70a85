/**
 * What can go wrong with one call, in the order of the fault mix. `…-before` and the error statuses leave no charge;
 * `…-after`, `slow` and `cut-json` do what was asked and spoil the answer.
 */
export const FAULT_KINDS = [
  'error-500',
  'error-503',
  'reset-before',
  'reset-after',
  'timeout-after',
  'slow',
  'rate-limited',
  'cut-json',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  kind: FaultKind
  /** 0 … 1, drawn with the kind: how late, or cut in which way. */
  shade: number
}

export interface FaultPlan {
  seed: number
  /** Share of the attempts that are faulty, 0 … 100. */
  faultPercent: number
  /** Drawn in equal parts. */
  faults: readonly FaultKind[]
}

export function isFaultKind(value: unknown): value is FaultKind {
  return FAULT_KINDS.includes(value as FaultKind)
}

/** Depends on nothing but the seed, the key and the number of the attempt (from 1), so that a run can be repeated. */
export function drawFault(plan: FaultPlan, key: string, attempt: number): Fault | undefined {
  if (plan.faultPercent <= 0 || plan.faults.length === 0) return undefined
  const drawn = hash(key, plan.seed, attempt)
  if (drawn / 2 ** 32 >= plan.faultPercent / 100) return undefined
  const kind = plan.faults[mix(drawn ^ 0x9e3779b9) % plan.faults.length]
  return kind === undefined ? undefined : { kind, shade: mix(drawn ^ 0x85ebca6b) / 2 ** 32 }
}

/** Whether a key belongs to the `percent` of keys that are drawn by `seed`; the same on every attempt. */
export function isDrawn(seed: number, key: string, percent: number): boolean {
  return hash(key, seed, 0) / 2 ** 32 < percent / 100
}

/** FNV-1a, then MurmurHash3's finalizer: 32 bits, unsigned. */
function hash(text: string, seed: number, attempt: number): number {
  let state = (0x811c9dc5 ^ mix(seed)) >>> 0
  for (let index = 0; index < text.length; index++) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  return mix(state ^ mix(attempt + 0x7f4a7c15))
}

function mix(value: number): number {
  let state = value | 0
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}
