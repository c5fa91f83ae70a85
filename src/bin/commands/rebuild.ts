import { Command } from 'commander'
import { parseId, print } from './command-line.ts'
import { runOperation } from './context.ts'

export const rebuildCommand = new Command('rebuild')
  .description('put everything on the stream that should be there and is not, now (after Redis was lost)')
  .argument('<id>', 'the promotion', parseId)
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream rebuild 42')
  .action(async (id: string, options: { json?: boolean }) => {
    const { promotion, changed, requeued, refilled } = await runOperation(
      ['stream'],
      { what: 'promotion.rebuild', target: id },
      operations => operations.rebuild(id),
    )
    print(options, { id, status: promotion.status, changed, requeued, refilled }, () => [
      `promotion ${id}: ${requeued} lost entries put back, ${refilled} waiting rows added`,
    ])
  })
