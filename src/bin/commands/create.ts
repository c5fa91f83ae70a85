import { Command, InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import { isExactInteger } from '#queues/exact-integer.ts'
import { PROMOTION_TYPES, type PromotionType } from '#queues/gift-types.ts'
import { withChange } from './change.ts'
import { parseId, print } from './command-line.ts'
import { withDatabase } from './context.ts'

function parseTotal(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('it must be a whole number, 0 or more.')
  return Number(text)
}

function parseCeiling(text: string): string {
  if (!isExactInteger(text)) throw new InvalidArgumentError('it must be a whole number from 0 to 2^63-1.')
  return text
}

function parseWeight(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= 1000) return Number(text)
  throw new InvalidArgumentError('it must be a whole number from 1 to 1000.')
}

const deadline = z.iso.datetime({ offset: true })

/** As the API takes it. */
function parseDeadline(text: string): string {
  const parsed = deadline.safeParse(text)
  if (!parsed.success)
    throw new InvalidArgumentError('it must be a time with its zone, like 2026-12-24T18:00:00+09:00.')
  return new Date(parsed.data).toISOString()
}

interface CreateOptions {
  id: string
  type: PromotionType
  name: string
  total: number
  maxGifts: string
  maxAmount: string
  deadline?: string
  weight: number
  json?: boolean
}

export const createCommand = new Command('create')
  .description('make a promotion, READY to take gifts and to be started')
  .requiredOption('--id <id>', 'its id', parseId)
  .addOption(new Option('--type <type>', 'what it gives').choices(PROMOTION_TYPES).makeOptionMandatory())
  .option('--name <name>', 'its name', '')
  .option('--total <count>', 'how many gifts it has; 0 = not known yet', parseTotal, 0)
  .option('--max-gifts <count>', 'most gifts it takes; 0 = no ceiling', parseCeiling, '0')
  .option('--max-amount <amount>', 'most they come to together, in minor units; 0 = no ceiling', parseCeiling, '0')
  .option('--deadline <time>', 'by when it should be done, with its zone: 2026-12-24T18:00:00+09:00', parseDeadline)
  .option(
    '--weight <n>',
    'its share of the slots beside other promotions, with WORKER_SLOTS_BY_DEADLINE',
    parseWeight,
    1,
  )
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream create --id 42 --type VOUCHER --name "Autumn" --total 1000000')
  .action(async (options: CreateOptions) => {
    const {
      id,
      type,
      name,
      total,
      maxGifts: maxGiftCount,
      maxAmount: maxTotalAmount,
      deadline = null,
      weight,
    } = options
    const promotion = { id, type, name, totalCount: total, maxGiftCount, maxTotalAmount, deadlineAt: deadline, weight }
    await withDatabase(({ database, promotions }) =>
      withChange(database.kysely, { what: 'promotion.create', target: id, detail: promotion }, () =>
        promotions.create(promotion),
      ),
    )
    print(options, { status: 'READY', ...promotion }, () => [
      `promotion ${id} is READY`,
      ...(total > 0 ? [] : [`  no total: it never completes by itself, only by «promostream finish ${id}»`]),
    ])
  })
