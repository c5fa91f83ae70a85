import { Command } from 'commander'
import { GIFT_TYPES, PROMOTION_TYPES } from '#queues/gift-types.ts'
import { startProgress } from '#runtime/progress-bar.ts'
import { parseId, print } from './command-line.ts'
import { runOperation } from './context.ts'

export const retryCommand = new Command('retry')
  .description('try UNKNOWN gifts once more, with the same keys: all of a promotion, or the targets that are named')
  .argument('<id>', 'the promotion', parseId)
  .argument(
    '[targets...]',
    `target ids (${PROMOTION_TYPES.map(type => GIFT_TYPES[type].label).join(', ')}); none = all that are UNKNOWN`,
    (id: string, ids?: string[]) => [...(ids ?? []), parseId(id)],
  )
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    '\nA gift that is SUCCESS or FAILED is refused.\n\nExample:\n  promostream retry 42 9007199254740993',
  )
  .action(async (id: string, targetIds: string[], options: { json?: boolean }) => {
    const change = { what: 'promotion.retry', target: id, detail: { targetIds } }
    const result = await runOperation(['retry-jobs'], change, async (operations, { promotions }) => {
      if (targetIds.length > 0) return operations.retryUnknown(id, { targetIds })
      const promotion = await promotions.find(id)
      const total = promotion === undefined ? 0 : (await promotions.countByStatus(promotion)).UNKNOWN
      const progress = total === 0 ? undefined : startProgress(total, 'sent')
      try {
        return await operations.retryUnknown(id, { onProgress: retried => progress?.update(retried) })
      } finally {
        progress?.stop()
      }
    })
    const { promotion, changed, retried } = result
    print(options, { id, status: promotion.status, changed, retried }, () => [
      `promotion ${id}: ${retried} UNKNOWN gifts will be tried again`,
    ])
  })
