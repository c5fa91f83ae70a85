import type { PromotionReconciler } from '#promotion/reconciler.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'

export interface UpkeepWorkerOptions {
  reconciler: PromotionReconciler
  /** Pause between two rounds, in ms. */
  intervalMs: number
  logger: Logger
}

/** A timer, not a BullMQ scheduler: the medic must not die with the patient. Its first round is part of the start. */
export function createUpkeepWorker({ reconciler, intervalMs, logger }: UpkeepWorkerOptions): Service {
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()
  let stopped = false
  const run = async () => {
    try {
      await reconciler.reconcile()
    } catch (error) {
      logger.warn({ err: toError(error) }, `upkeep round failed: ${errorLine(error)}`)
    }
    if (stopped) return
    timer = setTimeout(() => {
      round = run()
    }, intervalMs)
  }
  return service('upkeep', {
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
}
