import type { PromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import type { OperationResult, Operations } from '#promotion/operations.ts'
import { singleFlight } from '#runtime/single-flight.ts'

/** What an operator can do with a promotion, by the names that the API and the buttons have for it. */
export type ApiOperations = Readonly<
  Record<
    'start' | 'pause' | 'resume' | 'stop' | 'finish' | 'rebuild' | 'retry-unknown' | 'reconcile-unknown',
    (promotionId: string) => Promise<OperationResult>
  >
>

/** The operations as they are, but that a start is told to our own listeners too. */
export function apiOperationsOf(operations: Operations, hooks: Pick<PromotionStartedHooks, 'notify'>): ApiOperations {
  return {
    start: async promotionId => {
      const result = await operations.start(promotionId)
      const { type, totalCount } = result.promotion
      if (result.changed) hooks.notify({ promotionId, type, totalCount })
      return result
    },
    pause: promotionId => operations.pause(promotionId),
    resume: promotionId => operations.resume(promotionId),
    stop: promotionId => operations.stop(promotionId),
    finish: promotionId => operations.finish(promotionId),
    rebuild: joined(promotionId => operations.rebuild(promotionId)),
    'retry-unknown': joined(promotionId => operations.retryUnknown(promotionId)),
    'reconcile-unknown': joined(promotionId => operations.reconcileUnknown(promotionId)),
  }
}

/** What may take minutes runs once at a time for a promotion: who presses the button again waits for the same run. */
function joined<T>(run: (promotionId: string) => Promise<T>): (promotionId: string) => Promise<T> {
  return singleFlight(run, promotionId => promotionId)
}
