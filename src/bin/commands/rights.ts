import { Argument, Command, InvalidArgumentError } from 'commander'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { rightsSchema } from '#config/schemas.ts'
import { rightsOf } from '#database/rights.ts'
import { print } from './command-line.ts'
import { redisRules } from './redis-user.ts'

export const rightsCommand = new Command('rights')
  .description('print what makes a user of PostgreSQL or Redis that may do only what promostream does')
  .addArgument(new Argument('<server>', 'whose user').choices(['postgres', 'redis']))
  .requiredOption('--user <name>', 'the role, or the user', parseUser)
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    '\nExamples:\n  promostream rights postgres --user pays | psql promostream\n  promostream rights redis --user pays | redis-cli',
  )
  .action((server: 'postgres' | 'redis', options: { user: string; json?: boolean }) => {
    const lines = server === 'postgres' ? rightsOf(options.user) : [redisUser(options.user)]
    print(options, { server, user: options.user, statements: lines }, () => lines)
  })

/** It has no password yet: `ACL SETUSER name >password` sets one, and nobody's history keeps it. */
function redisUser(name: string): string {
  const { REDIS_KEY_PREFIX: keyPrefix, REDIS_CLUSTER: cluster } = loadConfig(rightsSchema, processEnvironment())
  return `ACL SETUSER ${name} on resetkeys resetchannels -@all ${redisRules({ keyPrefix, cluster }).join(' ')}`
}

function parseUser(name: string): string {
  if (!/^[\w.-]{1,63}$/.test(name)) throw new InvalidArgumentError('it must be letters, digits, «_», «.» or «-».')
  return name
}
