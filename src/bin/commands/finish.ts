import { Command } from 'commander'
import { parseId, print } from './command-line.ts'
import { runOperation } from './context.ts'

export const finishCommand = new Command('finish')
  .description('complete a promotion whatever its total says; refused while gifts are PENDING or RETRYING')
  .argument('<id>', 'the promotion', parseId)
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream finish 42')
  .action(async (id: string, options: { json?: boolean }) => {
    const { promotion, changed, difference } = await runOperation(
      [],
      { what: 'promotion.finish', target: id },
      operations => operations.finish(id),
    )
    print(options, { id, status: promotion.status, changed, difference }, () => [
      changed
        ? `promotion ${id} is COMPLETED, ${describe(promotion.totalCount, difference ?? 0)}`
        : `promotion ${id} was COMPLETED already`,
    ])
  })

function describe(totalCount: number, difference: number): string {
  if (totalCount === 0) return `with ${difference} gifts; no total was set`
  if (difference === 0) return 'with as many gifts as its total says'
  return `with ${Math.abs(difference)} gifts ${difference > 0 ? 'more' : 'less'} than its total says`
}
