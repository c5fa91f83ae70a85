import { readBounded } from './bounded-file.ts'
import type { Environment } from './environment.ts'

/** Settings that may also come from a file, named by the variable with `_FILE` behind it: a mounted secret. */
export const SECRET_NAMES = [
  'DATABASE_URL',
  'REDIS_URL',
  'REDIS_STREAM_URL',
  'KAFKA_SASL_PASSWORD',
  'MONEY_API_TOKEN',
  'SEAL_PRIVATE_KEY',
  'ADMIN_USERS',
  'ADMIN_HOOK_SECRET',
  'ADMIN_SESSION_SECRET',
] as const

/** No secret is longer; a path that leads to something else shall not fill the memory. */
const MAX_BYTES = 1024 * 1024

/**
 * The environment with each secret that a file holds. A file that is empty counts as not set, as an empty variable does.
 * @throws Error that names the `_FILE` variable, never its value or what the file holds.
 */
export function withSecretFiles(environment: Environment): Environment {
  const fromFiles = SECRET_NAMES.filter(name => isSet(environment[`${name}_FILE`])).map(name => {
    if (isSet(environment[name])) throw new Error(`${name}_FILE is set, and ${name} too: one of them`)
    return [name, readSecret(`${name}_FILE`, environment[`${name}_FILE`] ?? '')] as const
  })
  return fromFiles.length === 0 ? environment : { ...environment, ...Object.fromEntries(fromFiles) }
}

/** @throws Error that names `variable`. */
export function readSecret(variable: string, path: string): string {
  let bytes: Buffer | undefined
  try {
    bytes = readBounded(path.trim(), MAX_BYTES)
  } catch (error) {
    throw new Error(`${variable} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`)
  }
  if (bytes === undefined) throw new Error(`${variable} is longer than ${MAX_BYTES} bytes: that is no secret`)
  return bytes.toString('utf8')
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== ''
}
