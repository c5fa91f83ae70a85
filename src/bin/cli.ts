#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { errorLine } from '#runtime/errors.ts'
import { createCommand } from './commands/create.ts'
import { finishCommand } from './commands/finish.ts'
import { hashPasswordCommand } from './commands/hash-password.ts'
import { rebuildCommand } from './commands/rebuild.ts'
import { reconcileCommand } from './commands/reconcile.ts'
import { resumeCallsCommand } from './commands/resume-calls.ts'
import { retryCommand } from './commands/retry.ts'
import { statusCommand } from './commands/status.ts'
import { pauseCommand, resumeCommand, startCommand, stopCommand } from './commands/steer.ts'

/** Exit codes: 0 done, 1 not done (one line on stderr says why), 2 wrong usage. */
const program = new Command('promostream')
  .description('steer and look at promotions; settings come from the environment (DATABASE_URL, KAFKA_BROKERS, …)')
  .showHelpAfterError('(see --help)')

const commands = [
  createCommand,
  startCommand,
  pauseCommand,
  resumeCommand,
  stopCommand,
  finishCommand,
  rebuildCommand,
  retryCommand,
  reconcileCommand,
  statusCommand,
  resumeCallsCommand,
  hashPasswordCommand,
]
for (const command of commands) program.addCommand(command.exitOverride())

try {
  await program.exitOverride().parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.stderr.write(`promostream: ${errorLine(error)}\n`)
    process.exitCode = 1
  }
}
