import { Command, InvalidArgumentError, Option } from 'commander'
import { PROMOTION_TYPES, type PromotionType } from '#queues/promotion-type.ts'
import { parseId } from './arguments.ts'
import { withDatabase } from './context.ts'
import { print } from './output.ts'

function parseTotal(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('it must be a whole number, 0 or more.')
  return Number(text)
}

interface CreateOptions {
  id: string
  type: PromotionType
  name: string
  total: number
  json?: boolean
}

export const createCommand = new Command('create')
  .description('make a promotion, READY to take gifts and to be started')
  .requiredOption('--id <id>', 'its id', parseId)
  .addOption(new Option('--type <type>', 'what it gives').choices(PROMOTION_TYPES).makeOptionMandatory())
  .option('--name <name>', 'its name', '')
  .option('--total <count>', 'how many gifts it has; 0 = not known yet', parseTotal, 0)
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream create --id 42 --type VOUCHER --name "Autumn" --total 1000000')
  .action(async (options: CreateOptions) => {
    const { id, type, name, total } = options
    await withDatabase(({ promotions }) => promotions.create({ id, type, name, totalCount: total }))
    print(options, { id, type, name, status: 'READY', totalCount: total }, () => [`promotion ${id} is READY`])
  })
