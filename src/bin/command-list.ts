import { Command } from 'commander'

interface ListedCommand {
  /** As its help names them. */
  arguments?: string
  description: string
  load(): Promise<Command>
}

/**
 * All commands, as `--help` shows them. Only the one that is asked for is loaded: help takes a fraction of a second, and
 * `audit` is responsible for its memory.
 */
export const COMMANDS: Readonly<Record<string, ListedCommand>> = {
  create: {
    description: 'make a promotion, READY to take gifts and to be started',
    load: async () => (await import('./commands/create.ts')).createCommand,
  },
  publish: {
    description: 'publish the gifts of a file to their Kafka topic',
    load: async () => (await import('./commands/publish.ts')).publishCommand,
  },
  start: {
    arguments: '<id>',
    description: 'start a READY promotion, or go on with a PAUSED or STOPPED one',
    load: async () => (await import('./commands/operations.ts')).startCommand,
  },
  pause: {
    arguments: '[id]',
    description: 'make no Money API call any more, but go on taking gifts',
    load: async () => (await import('./commands/operations.ts')).pauseCommand,
  },
  resume: {
    arguments: '[id]',
    description: 'go on with a PAUSED promotion',
    load: async () => (await import('./commands/operations.ts')).resumeCommand,
  },
  stop: {
    arguments: '<id>',
    description: 'end the work on a promotion: no call, no gift taken; rows are kept',
    load: async () => (await import('./commands/operations.ts')).stopCommand,
  },
  finish: {
    arguments: '<id>',
    description: 'complete a promotion whatever its total says; refused while gifts are PENDING or RETRYING',
    load: async () => (await import('./commands/finish.ts')).finishCommand,
  },
  rebuild: {
    arguments: '<id>',
    description: 'put everything on the stream that should be there and is not, now (after Redis was lost)',
    load: async () => (await import('./commands/rebuild.ts')).rebuildCommand,
  },
  retry: {
    arguments: '<id> [targets...]',
    description: 'try UNKNOWN gifts once more, with the same keys: all of a promotion, or the targets that are named',
    load: async () => (await import('./commands/retry.ts')).retryCommand,
  },
  reconcile: {
    arguments: '<id>',
    description: 'ask the Money API whether UNKNOWN gifts were paid; those that were become SUCCESS',
    load: async () => (await import('./commands/reconcile.ts')).reconcileCommand,
  },
  'dead-letters': {
    arguments: '<action> <id> [letters...]',
    description: 'entries of a promotion that were given up: list them, put them on the stream again, or delete them',
    load: async () => (await import('./commands/dead-letters.ts')).deadLettersCommand,
  },
  status: {
    arguments: '[id]',
    description: 'how far promotions are: the newest 100, or one',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  'ask-first': {
    arguments: '<state>',
    description: 'ask the Money API by GET before every POST, on every instance, until it is switched off',
    load: async () => (await import('./commands/ask-first.ts')).askFirstCommand,
  },
  'resume-calls': {
    description: 'call the Money API again after it refused our credentials: every instance, within two seconds',
    load: async () => (await import('./commands/resume-calls.ts')).resumeCallsCommand,
  },
  'own-redis': {
    description: 'say which database this Redis belongs to, or make it belong to DATABASE_URL',
    load: async () => (await import('./commands/own-redis.ts')).ownRedisCommand,
  },
  audit: {
    arguments: '[ids...]',
    description:
      'prove that messages, rows, entries, retry jobs, charges and counters say the same, or name what does not',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  receipt: {
    arguments: '<target>',
    description: 'print the proof that a gift is part of its promotion’s sealed account, as JSON',
    load: async () => (await import('./commands/receipt.ts')).receiptCommand,
  },
  verify: {
    arguments: '[file]',
    description: 'check a receipt, with nothing but its file; or the rows of a promotion against its seal',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  archive: {
    arguments: '<id>',
    description: 'move the gifts of a COMPLETED promotion out to a file; that each target was paid is kept',
    load: async () => (await import('./commands/archive.ts')).archiveCommand,
  },
  doctor: {
    description: 'looks at settings, PostgreSQL, Redis, Kafka and the Money API, and says what is wrong and what to do',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  rights: {
    arguments: '<server>',
    description: 'print what makes a user of PostgreSQL or Redis that may do only what promostream does',
    load: async () => (await import('./commands/rights.ts')).rightsCommand,
  },
  'hash-password': {
    description: 'print the hash of a password, as ADMIN_USERS takes it (name:role:hash); asks for it, or reads a line',
    load: async () => (await import('./commands/hash-password.ts')).hashPasswordCommand,
  },
}

/** Stands for a command in a list: its line of help, and nothing that it can do. */
export function listedCommand(name: string): Command {
  const { arguments: args, description } = COMMANDS[name] as ListedCommand
  const command = new Command(name).description(description).option('--json', 'print JSON')
  return args === undefined ? command : command.arguments(args)
}
