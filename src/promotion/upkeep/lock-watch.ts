import { LOCKED_ROUNDS, type LockedRound } from '#database/locks.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Metrics } from '#runtime/metrics.ts'

/** Told of each try for a round's lock: was it ours? */
export type OnLock = (round: LockedRound, isOurs: boolean) => void

/** Instances take turns by chance: none of several misses its turn for so long while the rounds go on, in ms. */
const LONG_MS = 300_000

/**
 * Notices a lock that this process has not had for long: another has it and does nothing, or a pooler left it with a
 * session that nobody has. One line in that time, and a metric.
 */
export function createLockWatch(deps: { metrics: Metrics; logger: Logger; now?: () => number }): OnLock {
  const { metrics, logger, now = () => performance.now() } = deps
  const hadAtMs = new Map<LockedRound, number>(LOCKED_ROUNDS.map(round => [round, now()]))
  const toldAtMs = new Map<LockedRound, number>()
  const missedMs = (round: LockedRound) => now() - (hadAtMs.get(round) ?? 0)
  metrics.labeledGauge(
    'promostream_upkeep_lock_age_seconds',
    'Since this process last had the lock of a round of upkeep; instances take turns',
    ['round'],
    () => LOCKED_ROUNDS.map(round => ({ labels: { round }, value: missedMs(round) / 1000 })),
  )
  return (round, isOurs) => {
    if (isOurs) return void hadAtMs.set(round, now())
    const toldMs = now() - (toldAtMs.get(round) ?? Number.NEGATIVE_INFINITY)
    if (missedMs(round) < LONG_MS || toldMs < LONG_MS) return
    toldAtMs.set(round, now())
    const seconds = Math.round(missedMs(round) / 1000)
    logger.warn({ round, seconds }, `the lock of upkeep's ${round} round could not be had for ${seconds} s`)
  }
}
