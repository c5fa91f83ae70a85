import type { Command } from 'commander'
import type { Environment } from '#config/environment.ts'

/**
 * Options of `command` that npm took for its own, as no `--` stood before them: `npm run promostream create --id 42`. It
 * leaves them out of the arguments, and says so nowhere but in the environment.
 */
export function takenByNpm(command: Pick<Command, 'options'>, environment: Environment): string[] {
  if (environment.npm_lifecycle_event === undefined) return []
  return command.options
    .map(({ long }) => long ?? '')
    .filter(long => environment[`npm_config_${long.replace(/^--(no-)?/, '').replaceAll('-', '_')}`] !== undefined)
}

/** One line about it. */
export function describeTaken(taken: readonly string[], commandName: string): string {
  const options = taken.join(', ')
  return `npm took ${options} for its own: options stand behind «--», as in «npm run promostream -- ${commandName} ${taken[0]}»`
}
