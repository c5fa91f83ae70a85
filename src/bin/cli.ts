#!/usr/bin/env node
import '#runtime/node-version.cjs'
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { processEnvironment } from '#config/environment.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { COMMANDS, listedCommand } from './command-list.ts'
import { describeTaken, takenByNpm } from './npm-options.ts'

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

/** Exit codes: 0 done, 1 not done (one line on stderr says why), 2 wrong usage; `audit` has a 3 of its own. */
const program = new Command('promostream')
  .description('operate and look at promotions; settings come from the environment (DATABASE_URL, KAFKA_BROKERS, …)')
  .version((createRequire(import.meta.url)('../../package.json') as { version: string }).version)
  .showHelpAfterError('(see --help)')

const [first, second] = process.argv.slice(2)
const asked = first === 'help' ? second : first
for (const [name, { load }] of Object.entries(COMMANDS)) {
  const command = name === asked ? await load() : listedCommand(name)
  program.addCommand(command.exitOverride())
  const taken = name === asked ? takenByNpm(command, processEnvironment()) : []
  if (taken.length > 0) process.stderr.write(`promostream: ${describeTaken(taken, name)}\n`)
}

try {
  await program.exitOverride().parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.stderr.write(`promostream: ${errorLine(error)}\n`)
    process.exitCode = error instanceof CodedError && error.code === 'USAGE' ? 2 : 1
  }
}
