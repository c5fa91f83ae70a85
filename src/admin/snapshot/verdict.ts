import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { Estimate } from './rate.ts'

/** Will it be done by its deadline, as things go now? */
export interface Verdict {
  isInTime: boolean
  /** When it is likely to be done, and the range that the rates of the last minute allow; ISO 8601. */
  likely: string
  from: string
  to: string
  /** Seconds from then to the deadline; below 0 it is too late. */
  spareS: number
}

/** Slower than this nothing can be said. */
const LEAST_PER_SECOND = 0.5
/** Later than this no four digits of a year can say. */
const LATEST_MS = Date.parse('9999-12-31T23:59:59Z')

/**
 * By the rate of the last ten seconds, so that a change of pace is told within ten seconds; null without a deadline, and
 * while nothing moves. Pure.
 */
export function verdictOf(
  view: { status: PromotionStatus; deadlineAt?: string | null; done: number; expected: number },
  { perSecond, eta }: Estimate,
  nowMs: number,
): Verdict | null {
  const { status, deadlineAt, done, expected } = view
  if (status !== 'IN_PROGRESS' || deadlineAt == null || eta === null || perSecond < LEAST_PER_SECOND) return null
  const likelyS = (expected - done) / perSecond
  const at = (seconds: number) => new Date(Math.min(LATEST_MS, nowMs + seconds * 1000)).toISOString()
  const spareS = Math.round((Date.parse(deadlineAt) - nowMs) / 1000 - likelyS)
  return {
    isInTime: spareS >= 0,
    likely: at(likelyS),
    from: at(Math.min(likelyS, eta.soonest)),
    to: at(Math.max(likelyS, eta.latest)),
    spareS,
  }
}

/** Calls `onFlip` when a promotion's verdict is another than it was. */
export function createVerdictWatch(onFlip: (id: string, verdict: Verdict) => void) {
  const known = new Map<string, boolean>()
  return (views: readonly { id: string; verdict: Verdict | null }[]): void => {
    const ids = new Set(views.map(({ id }) => id))
    for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    for (const { id, verdict } of views) {
      if (verdict === null || known.get(id) === verdict.isInTime) continue
      known.set(id, verdict.isInTime)
      onFlip(id, verdict)
    }
  }
}
