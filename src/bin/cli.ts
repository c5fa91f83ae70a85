#!/usr/bin/env node
import '#runtime/node-version.cjs'
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { errorLine } from '#runtime/errors.ts'

/** Only the one that is asked for is loaded: `audit` answers for its memory, and none should take a second to begin. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  create: async () => (await import('./commands/create.ts')).createCommand,
  publish: async () => (await import('./commands/publish.ts')).publishCommand,
  start: async () => (await import('./commands/steer.ts')).startCommand,
  pause: async () => (await import('./commands/steer.ts')).pauseCommand,
  resume: async () => (await import('./commands/steer.ts')).resumeCommand,
  stop: async () => (await import('./commands/steer.ts')).stopCommand,
  finish: async () => (await import('./commands/finish.ts')).finishCommand,
  rebuild: async () => (await import('./commands/rebuild.ts')).rebuildCommand,
  retry: async () => (await import('./commands/retry.ts')).retryCommand,
  reconcile: async () => (await import('./commands/reconcile.ts')).reconcileCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  'ask-first': async () => (await import('./commands/ask-first.ts')).askFirstCommand,
  'resume-calls': async () => (await import('./commands/resume-calls.ts')).resumeCallsCommand,
  'own-redis': async () => (await import('./commands/own-redis.ts')).ownRedisCommand,
  audit: async () => (await import('./commands/audit.ts')).auditCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  'hash-password': async () => (await import('./commands/hash-password.ts')).hashPasswordCommand,
}

/** Exit codes: 0 done, 1 not done (one line on stderr says why), 2 wrong usage; `audit` has a 3 of its own. */
const program = new Command('promostream')
  .description('steer and look at promotions; settings come from the environment (DATABASE_URL, KAFKA_BROKERS, …)')
  .version((createRequire(import.meta.url)('../../package.json') as { version: string }).version)
  .showHelpAfterError('(see --help)')

const asked = COMMANDS[process.argv[2] ?? '']
for (const load of asked === undefined ? Object.values(COMMANDS) : [asked])
  program.addCommand((await load()).exitOverride())

try {
  await program.exitOverride().parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.stderr.write(`promostream: ${errorLine(error)}\n`)
    process.exitCode = 1
  }
}
