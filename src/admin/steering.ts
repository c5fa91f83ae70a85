import type { PromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import type { Steered, Steering } from '#promotion/operations.ts'

/** What an operator can do with a promotion, by the names that the API and the buttons have for it. */
export type Steps = Readonly<
  Record<
    'start' | 'pause' | 'resume' | 'stop' | 'finish' | 'rebuild' | 'retry-unknown' | 'reconcile-unknown',
    (promotionId: string) => Promise<Steered>
  >
>

/** The operations as they are, but that a start is told to our own listeners too. */
export function stepsOf(steering: Steering, hooks: Pick<PromotionStartedHooks, 'notify'>): Steps {
  return {
    start: async promotionId => {
      const steered = await steering.start(promotionId)
      const { type, totalCount } = steered.promotion
      if (steered.changed) hooks.notify({ promotionId, type, totalCount })
      return steered
    },
    pause: promotionId => steering.pause(promotionId),
    resume: promotionId => steering.resume(promotionId),
    stop: promotionId => steering.stop(promotionId),
    finish: promotionId => steering.finish(promotionId),
    rebuild: joined(promotionId => steering.rebuild(promotionId)),
    'retry-unknown': joined(promotionId => steering.retryUnknown(promotionId)),
    'reconcile-unknown': joined(promotionId => steering.reconcileUnknown(promotionId)),
  }
}

/** What may take minutes runs once at a time for a promotion: who presses the button again waits for the same run. */
function joined<T>(run: (promotionId: string) => Promise<T>): (promotionId: string) => Promise<T> {
  const underWay = new Map<string, Promise<T>>()
  return promotionId => {
    const known = underWay.get(promotionId)
    if (known !== undefined) return known
    const running = run(promotionId).finally(() => underWay.delete(promotionId))
    underWay.set(promotionId, running)
    return running
  }
}
