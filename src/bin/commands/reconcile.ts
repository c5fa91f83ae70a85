import { Command } from 'commander'
import { startProgress } from '#runtime/progress-bar.ts'
import { parseId, print } from './command-line.ts'
import { runOperation } from './context.ts'

export const reconcileCommand = new Command('reconcile')
  .description('ask the Money API whether UNKNOWN gifts were paid; those that were become SUCCESS')
  .argument('<id>', 'the promotion', parseId)
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream reconcile 42')
  .action(async (id: string, options: { json?: boolean }) => {
    const result = await runOperation(
      ['money'],
      { what: 'promotion.reconcile', target: id },
      async (operations, { promotions }) => {
        const promotion = await promotions.find(id)
        const total = promotion === undefined ? 0 : (await promotions.countByStatus(promotion)).UNKNOWN
        const progress = total === 0 ? undefined : startProgress(total, 'asked')
        try {
          return await operations.reconcileUnknown(id, { onProgress: ({ checked }) => progress?.update(checked) })
        } finally {
          progress?.stop()
        }
      },
    )
    const { promotion, changed, checked, succeeded, uncharged, unanswered } = result
    print(options, { id, status: promotion.status, changed, checked, succeeded, uncharged, unanswered }, () => [
      `promotion ${id}: ${checked} UNKNOWN gifts asked about: ${succeeded} were paid, ${uncharged} hold no charge (promostream retry), ${unanswered} without an answer`,
    ])
  })
