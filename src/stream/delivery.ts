const FIRST_BACKOFF_MS = 100
/** 2 ** 20 times the first pause is more than anyone waits; beyond it the power would overflow. */
const MAX_EXPONENT = 20

/** Is this delivery one too many? Its handlers never lived to the end: the next one would not either. */
export function isPoison(deliveries: number, maxDeliveries: number): boolean {
  return deliveries > maxDeliveries
}

/**
 * Pause before an entry whose handler failed is tried again, in ms: exponential, the upper half of it jittered, never
 * above `maxBackoffMs`.
 */
export function failureBackoffMs(deliveries: number, maxBackoffMs: number, random: () => number = Math.random): number {
  const ceilingMs = Math.min(maxBackoffMs, FIRST_BACKOFF_MS * 2 ** Math.min(deliveries, MAX_EXPONENT))
  return ceilingMs * (0.5 + random() / 2)
}

/** Longer timers fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1
