import type { PromotionStartedListener } from '#promotion/consumers/started-hooks.ts'
import type { Logger } from '#runtime/logger.ts'
import type { Sampler } from './snapshot/sampler.ts'
import { TEXTS } from './texts/texts.ts'

/**
 * Looks at a promotion as soon as it was started, and says in the log what keeps its gifts from being paid: whoever started
 * it, a program above all, has long been answered and looks at no page.
 */
export function startedCheck({
  sampler,
  logger,
}: {
  sampler: Pick<Sampler, 'renewed'>
  logger: Logger
}): PromotionStartedListener {
  return async ({ promotionId }, signal) => {
    const promotion = await sampler.renewed(promotionId)
    if (signal.aborted) return
    const hindrances = promotion?.bottlenecks.filter(({ level }) => level === 'bad') ?? []
    for (const { code, text } of hindrances)
      logger.warn(
        { promotionId, code },
        `promotion ${promotionId} was started, but its gifts are not paid yet: ${text(TEXTS.en)}`,
      )
    if (hindrances.length === 0) logger.info({ promotionId }, 'promotion started through the admin')
  }
}
