import type { z } from 'zod'
import type { Environment } from './environment.ts'
import { withSecretFiles } from './secret-files.ts'

/** A wrong setting. `message` is one line that names every variable that is wrong, never its value. */
export class ConfigError extends Error {
  readonly code = 'CONFIG'
  readonly canRetry = false

  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/**
 * Reads one process's settings, once. Blanks and line ends around a value are no part of it (secrets come from files that
 * end with a line end); what is empty then counts as not set. A secret may come from a file (`secret-files.ts`). The result
 * is frozen.
 */
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  environment: Environment,
): Readonly<z.infer<Schema>> {
  const given = new Map(
    Object.entries(resolved(environment, schema))
      .map(([name, value]) => [name, value?.trim() ?? ''] as const)
      .filter(([name, value]) => value !== '' && name in schema.shape),
  )
  const unusable = [...given].map(([name, value]) => [name, unusableText(value)] as const).filter(([, why]) => why)
  if (unusable.length > 0) throw new ConfigError(unusable.map(([name, why]) => `${name} ${why}`).join('; '))
  const parsed = schema.safeParse(Object.fromEntries(given))
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(describe).join('; '))
  return Object.freeze(parsed.data)
}

/** Only what this process reads: the file of another's secret need not be there. */
function resolved(environment: Environment, schema: z.ZodObject): Environment {
  const own = Object.entries(environment).filter(([name]) => name in schema.shape)
  try {
    return withSecretFiles(Object.fromEntries(own))
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
}

/** What no setting can hold; URL parsers would drop a line end in silence. */
function unusableText(value: string): string | undefined {
  // A key in PEM has lines.
  const line = value.startsWith('-----BEGIN ') ? value.replaceAll(/\r?\n/g, '') : value
  if (/\p{Cc}/u.test(line)) return 'has a control character or a line end in it'
  if (/^(["']).*\1$/.test(value)) return 'stands in quotation marks, which would be part of it: leave them out'
  return undefined
}

function describe(issue: z.core.$ZodIssue): string {
  const name = issue.path.join('.')
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined
  return `${name} ${isMissing ? 'is not set' : issue.message}`
}
