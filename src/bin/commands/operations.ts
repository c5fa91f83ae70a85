import { Command } from 'commander'
import type { OperationNeed } from '#bin/parts.ts'
import type { PromotionStatus } from '#database/promotions/promotion-status.ts'
import type { OperationResult, Operations } from '#promotion/operations.ts'
import { errorLine } from '#runtime/errors.ts'
import { withChange } from './change.ts'
import { parseId, print } from './command-line.ts'
import { type CommandContext, runOperation, withOperations } from './context.ts'

type StatusOperation = 'start' | 'pause' | 'resume' | 'stop'

/** The four that only set a promotion's status: one argument, one line. */
function operationCommand(name: StatusOperation, description: string, needs: readonly OperationNeed[] = []): Command {
  return new Command(name)
    .description(description)
    .argument('<id>', 'the promotion', parseId)
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nExample:\n  promostream ${name} 42`)
    .action((id: string, options: { json?: boolean }) => runOne(name, id, options, needs))
}

/** Those that can be done to all promotions that it can be done to. */
function operationOnAllCommand(
  name: 'pause' | 'resume',
  description: string,
  from: PromotionStatus,
  needs: readonly OperationNeed[] = [],
): Command {
  return new Command(name)
    .description(description)
    .argument('[id]', 'the promotion', parseId)
    .option('--all', `every promotion that is ${from}`)
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nExample:\n  promostream ${name} 42\n  promostream ${name} --all`)
    .action(async (id: string | undefined, options: { json?: boolean; all?: boolean }, command: Command) => {
      if ((id === undefined) === (options.all !== true))
        command.error(`error: ${name} takes the id of a promotion, or --all`)
      if (id === undefined) await runAll(name, from, options, needs)
      else await runOne(name, id, options, needs)
    })
}

async function runOne(name: StatusOperation, id: string, options: { json?: boolean }, needs: readonly OperationNeed[]) {
  const change = { what: `promotion.${name}`, target: id }
  printResult(options, await runOperation(needs, change, (operations: Operations) => operations[name](id)))
}

/**
 * One that fails keeps no other from its own; then the exit code is 1. What was paused by itself is left out, and said:
 * whoever lets it go on has looked at why.
 */
async function runAll(
  name: 'pause' | 'resume',
  from: PromotionStatus,
  options: { json?: boolean },
  needs: readonly OperationNeed[],
): Promise<void> {
  const results = await withOperations(needs, async (operations, { database, promotions }: CommandContext) => {
    const active = (await promotions.listActive()).filter(({ status }) => status === from)
    const done: { id: string; status: PromotionStatus; changed: boolean; error?: string; leftOut?: string }[] = []
    for (const { id, status, pauseReason } of active) {
      if (pauseReason) {
        done.push({ id, status, changed: false, leftOut: pauseReason })
        continue
      }
      const change = { what: `promotion.${name}`, target: id, detail: { all: true } }
      try {
        const { promotion, changed } = await withChange(database.kysely, change, () => operations[name](id))
        done.push({ id, status: promotion.status, changed })
      } catch (error) {
        done.push({ id, status, changed: false, error: errorLine(error) })
      }
    }
    return done
  })
  print(options, { promotions: results }, () =>
    results.length === 0
      ? [`no promotion is ${from}`]
      : results.map(
          ({ id, status, error, leftOut }) =>
            `promotion ${id} is ${status}${error === undefined ? '' : `: ${error}`}` +
            (leftOut === undefined ? '' : ` still, by itself: ${leftOut}; «${name} ${id}» goes on with it`),
        ),
  )
  if (results.some(({ error }) => error !== undefined)) process.exitCode = 1
}

export function printResult(
  options: { json?: boolean },
  { promotion, changed }: OperationResult,
  extra: object = {},
): void {
  const { id, status } = promotion
  print(options, { id, status, changed, ...extra }, () => [
    `promotion ${id} ${changed ? 'is' : 'was'} ${status}${changed ? '' : ' already'}`,
  ])
}

export const startCommand = operationCommand(
  'start',
  'start a READY promotion, or go on with a PAUSED or STOPPED one',
  ['stream'],
)
export const pauseCommand = operationOnAllCommand(
  'pause',
  'make no Money API call any more, but go on taking gifts',
  'IN_PROGRESS',
)
export const resumeCommand = operationOnAllCommand('resume', 'go on with a PAUSED promotion', 'PAUSED', ['stream'])
export const stopCommand = operationCommand(
  'stop',
  'end the work on a promotion: no call, no gift taken; rows are kept',
)
