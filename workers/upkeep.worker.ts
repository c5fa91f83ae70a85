import type { StatusFollower } from '#promotion/consumers/follow-status.ts'
import type { BalanceCheck } from '#promotion/upkeep/balance-check.ts'
import type { RefillRounds } from '#promotion/upkeep/refill-rounds.ts'
import { checkUnknownRound, completionRound, sweepRound, type UpkeepDeps } from '#promotion/upkeep/upkeep.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import { type Service, service } from '#runtime/service.ts'
import { untilAborted } from '#runtime/within.ts'

export interface UpkeepWorkerOptions {
  statusFollower: Pick<StatusFollower, 'follow'>
  upkeep: UpkeepDeps
  balance: BalanceCheck
  refills: Pick<RefillRounds, 'round'>
  /** Of installations that seal their promotions. */
  seals?: { round(hasTime: () => boolean): Promise<void> } | undefined
  /** Pauses between two rounds, in ms. */
  followIntervalMs: number
  sweepIntervalMs: number
}

export interface UpkeepWorker extends Service {
  /** Throws when the status has not been followed gone through lately. */
  assertAlive(nowMs?: number): void
  /** Since the status was last followed, in ms. */
  readonly ageMs: number
}

const STALE_AFTER_MS = 15_000
/** How soon a stream that has drained is filled again, in ms; without rows that wait for it this costs nothing. */
const REFILL_INTERVAL_MS = 200
const SEAL_INTERVAL_MS = 5000

/** Timers, not a BullMQ scheduler: the medic must not die with the patient. To follow the status once is part of the start. */
export function createUpkeepWorker(options: UpkeepWorkerOptions): UpkeepWorker {
  const { statusFollower, refills, upkeep, balance, seals, followIntervalMs, sweepIntervalMs } = options
  let lastRoundAtMs = performance.now()
  let isStopping = false
  const hasTime = () => !isStopping
  const followStatus = async () => {
    await statusFollower.follow()
    lastRoundAtMs = performance.now()
  }
  const rounds = [
    createRound('status', followIntervalMs, upkeep, followStatus),
    createRound('refill', REFILL_INTERVAL_MS, upkeep, () => refills.round()),
    createRound('completion', followIntervalMs, upkeep, () => completionRound(upkeep, hasTime)),
    createRound('sweep', sweepIntervalMs, upkeep, () => sweepRound(upkeep, hasTime)),
    createRound('check-unknown', sweepIntervalMs, upkeep, () => checkUnknownRound(upkeep, hasTime)),
    createRound('balance', sweepIntervalMs, upkeep, () => balance.round()),
    ...(seals === undefined ? [] : [createRound('seal', SEAL_INTERVAL_MS, upkeep, () => seals.round(hasTime))]),
  ] as const
  const stopAll = async () => void (await Promise.all(rounds.map(round => round.stop())))
  const life = service('upkeep', {
    start: async () => {
      const [first] = rounds.map(round => round.run())
      await first
    },
    stop: async deadline => {
      isStopping = true
      // What a round still waits for then is given up: its lock ends with the process.
      await untilAborted(stopAll(), { signal: deadline, graceMs: 0 }, () => undefined)
    },
  })
  const assertAlive = (nowMs = performance.now()) => {
    const ageMs = nowMs - lastRoundAtMs
    if (ageMs > followIntervalMs + STALE_AFTER_MS)
      throw new CodedError('UPKEEP_STALE', `no round for ${Math.round(ageMs / 1000)} s`)
  }
  return {
    ...life,
    assertAlive,
    get ageMs() {
      return performance.now() - lastRoundAtMs
    },
  }
}

/** Repeats `work` with a pause in between, whatever becomes of it, until it is stopped. */
function createRound(name: string, intervalMs: number, { logger }: UpkeepDeps, work: () => Promise<void>) {
  let timer: NodeJS.Timeout | undefined
  let underWay: Promise<void> = Promise.resolve()
  let isStopped = false
  const run = (): Promise<void> => {
    underWay = work().catch(error => {
      logger.warn({ err: toError(error) }, `${name} round failed: ${errorLine(error)}`)
    })
    // Instances that were started together drift apart.
    const pauseMs = intervalMs * (0.9 + Math.random() / 5)
    void underWay.then(() => {
      if (!isStopped) timer = setTimeout(run, pauseMs)
    })
    return underWay
  }
  const stop = async () => {
    isStopped = true
    clearTimeout(timer)
    await underWay
  }
  return { run, stop }
}
