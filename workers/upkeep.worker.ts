import type { PromotionReconciler } from '#promotion/reconciler.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'

export interface UpkeepWorkerOptions {
  reconciler: PromotionReconciler
  /** Pause between two rounds, in ms. */
  intervalMs: number
  logger: Logger
}

export interface UpkeepWorker extends Service {
  /** Throws when no round has gone through lately. */
  assertAlive(nowMs?: number): void
}

const STALE_AFTER_MS = 15_000

/** A timer, not a BullMQ scheduler: the medic must not die with the patient. Its first round is part of the start. */
export function createUpkeepWorker({ reconciler, intervalMs, logger }: UpkeepWorkerOptions): UpkeepWorker {
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()
  let stopped = false
  let lastRoundAt = 0
  const run = async () => {
    try {
      await reconciler.reconcile()
      lastRoundAt = Date.now()
    } catch (error) {
      logger.warn({ err: toError(error) }, `upkeep round failed: ${errorLine(error)}`)
    }
    if (stopped) return
    timer = setTimeout(() => {
      round = run()
    }, intervalMs)
  }
  const life = service('upkeep', {
    start: () => {
      round = run()
      return round
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await round
    },
  })
  const assertAlive = (nowMs = Date.now()) => {
    const ageMs = nowMs - lastRoundAt
    if (ageMs > intervalMs + STALE_AFTER_MS) throw new CodedError('UPKEEP_STALE', `no upkeep round for ${ageMs} ms`)
  }
  return { ...life, assertAlive }
}
