import type { z } from 'zod'
import type { Environment } from './environment.ts'

/** A wrong setting. `message` is one line that names every variable that is wrong, never its value. */
export class ConfigError extends Error {
  readonly code = 'CONFIG'
  readonly canRetry = false

  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** Reads one process's settings, once; empty text counts as not set. The result is frozen. */
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  environment: Environment,
): Readonly<z.infer<Schema>> {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = schema.safeParse(given)
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(describe).join('; '))
  return Object.freeze(parsed.data)
}

function describe(issue: z.core.$ZodIssue): string {
  const name = issue.path.join('.')
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined
  return `${name} ${isMissing ? 'is not set' : issue.message}`
}
