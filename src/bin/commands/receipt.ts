import { Command, Option } from 'commander'
import { receiptOf } from '#promotion/seal/seal.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { parseId } from './command-line.ts'
import { withDatabase } from './context.ts'

export const receiptCommand = new Command('receipt')
  .description('print the proof that a gift is part of its promotion’s sealed account, as JSON')
  .argument('<target>', 'the gift’s target', parseId)
  .addOption(new Option('--type <type>', 'when gifts of several types have this target').choices(PROMOTION_TYPES))
  .option('--json', 'print one line')
  .addHelpText(
    'after',
    `
Whoever has the file checks it without us: promostream verify FILE.

Example:
  promostream receipt 1001 > receipt-1001.json`,
  )
  .action(async (targetId: string, options: { type?: string; json?: boolean }) => {
    const receipt = await withDatabase(({ database }) => receiptOf(database.kysely, targetId, options.type))
    process.stdout.write(`${JSON.stringify(receipt, null, options.json ? undefined : 2)}\n`)
  })
