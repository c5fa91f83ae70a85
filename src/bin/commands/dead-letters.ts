import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { PromotionDeadLetter, PromotionDeadLetters, WhichDeadLetters } from '#promotion/dead-letters.ts'
import { CodedError } from '#runtime/errors.ts'
import { withChange } from './change.ts'
import { parseId, print } from './command-line.ts'
import { withDeadLetters } from './context.ts'

interface DeadLettersOptions {
  all?: boolean
  reason?: string
  after?: string
  limit: number
  json?: boolean
}

type Action = 'list' | 'replay' | 'discard'

export const deadLettersCommand = new Command('dead-letters')
  .description('entries of a promotion that were given up: list them, put them on the stream again, or delete them')
  .addArgument(new Argument('<action>', 'what to do').choices(['list', 'replay', 'discard']))
  .argument('<id>', 'the promotion', parseId)
  .argument('[letters...]', 'ids of dead letters, as list shows them')
  .option('--all', 'every dead letter of the promotion')
  .option('--reason <text>', 'those whose reason holds this text')
  .option('--after <letter>', 'list: begin behind this one')
  .addOption(new Option('--limit <n>', 'list: at most so many').default(100).argParser(parseLimit))
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    `
A replay changes no row and no key: the entry is on the stream again, and its gift's row says what is to be done with it.

Examples:
  promostream dead-letters list 42
  promostream dead-letters replay 42 1764100000000-0
  promostream dead-letters replay 42 --reason poison`,
  )
  .action((action: Action, id: string, letters: string[], options: DeadLettersOptions) =>
    action === 'list' ? list(id, options) : change(action, id, whichOf(letters, options), options),
  )

function parseLimit(text: string): number {
  const limit = Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit
  throw new InvalidArgumentError('it must be a whole number from 1 to 1000.')
}

async function list(id: string, { after, limit, reason, ...options }: DeadLettersOptions): Promise<void> {
  const page = await withDeadLetters(async (deadLetters, { promotions }) => {
    const promotion = await promotions.find(id)
    if (promotion === undefined) throw new CodedError('PROMOTION_NOT_FOUND', `promotion ${id} does not exist`)
    return deadLetters.page(promotion, { after, limit, reason })
  })
  print(options, { id, deadLetters: page.items, next: page.next ?? null }, () =>
    page.items.length === 0
      ? [`promotion ${id} has no ${reason === undefined ? '' : 'such '}dead letter`]
      : [...page.items.map(line), ...(page.next === undefined ? [] : [`further: --after ${page.next}`])],
  )
}

const line = ({ id, at, reason, deliveries, message }: PromotionDeadLetter) =>
  `${id}  ${at}  ${deliveries} deliveries  ${reason}  ${message}`

async function change(
  action: 'replay' | 'discard',
  id: string,
  which: WhichDeadLetters,
  options: DeadLettersOptions,
): Promise<void> {
  const result = await withDeadLetters((deadLetters, { database }) => {
    const detail = { ...which, ...(options.all === true ? { all: true } : {}) }
    const asChange = { what: `dead-letters.${action}`, target: id, detail }
    return withChange(database.kysely, asChange, () => run(deadLetters, action, id, which))
  })
  print(options, { id, ...result }, () => [
    `promotion ${id}: ${result.done} dead letters ${action === 'replay' ? 'on the stream again' : 'deleted'}`,
    ...result.missing.map(letter => `${letter}: there is no such dead letter`),
    ...result.uncertain.map(letter => `${letter}: a replay of it began before and its end is not known; it is kept`),
  ])
  if (result.missing.length + result.uncertain.length > 0) process.exitCode = 1
}

async function run(
  deadLetters: PromotionDeadLetters,
  action: 'replay' | 'discard',
  id: string,
  which: WhichDeadLetters,
) {
  if (action === 'discard') {
    const { discarded, missing } = await deadLetters.discard(id, which)
    return { done: discarded, missing, uncertain: [] }
  }
  const { replayed, missing, uncertain } = await deadLetters.replay(id, which)
  return { done: replayed.length, missing, uncertain }
}

/** Nothing is meant by saying nothing. */
function whichOf(letters: readonly string[], { all, reason }: DeadLettersOptions): WhichDeadLetters {
  const said = [letters.length > 0, all === true, reason !== undefined].filter(Boolean).length
  if (said !== 1)
    deadLettersCommand.error('error: name dead letters by their ids, or by --reason, or take --all of them')
  const wrong = letters.find(id => !/^\d{1,20}-\d{1,20}$/.test(id))
  if (wrong !== undefined)
    deadLettersCommand.error(`error: «${wrong}» is no id of a dead letter, such as 1764100000000-0`)
  if (letters.length > 0) return { ids: letters }
  return reason === undefined ? {} : { reason }
}
