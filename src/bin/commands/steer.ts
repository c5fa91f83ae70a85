import { Command } from 'commander'
import type { Steered, Steering } from '#promotion/steering.ts'
import { parseId } from './arguments.ts'
import { type SteeringNeed, withSteering } from './context.ts'
import { print } from './output.ts'

/** The four that only set a promotion's status: one argument, one line. */
function steerCommand(
  name: 'start' | 'pause' | 'resume' | 'stop',
  description: string,
  needs: readonly SteeringNeed[] = [],
): Command {
  return new Command(name)
    .description(description)
    .argument('<id>', 'the promotion', parseId)
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nExample:\n  promostream ${name} 42`)
    .action(async (id: string, options: { json?: boolean }) => {
      const steered = await withSteering(needs, (steering: Steering) => steering[name](id))
      printSteered(options, steered)
    })
}

export function printSteered(options: { json?: boolean }, { promotion, changed }: Steered, extra: object = {}): void {
  const { id, status } = promotion
  print(options, { id, status, changed, ...extra }, () => [
    `promotion ${id} ${changed ? 'is' : 'was'} ${status}${changed ? '' : ' already'}`,
  ])
}

export const startCommand = steerCommand('start', 'start a READY promotion, or go on with a PAUSED or STOPPED one', [
  'stream',
])
export const pauseCommand = steerCommand('pause', 'make no Money API call any more, but go on taking gifts')
export const resumeCommand = steerCommand('resume', 'go on with a PAUSED promotion', ['stream'])
export const stopCommand = steerCommand('stop', 'end the work on a promotion: no call, no gift taken; rows are kept')
