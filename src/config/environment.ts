/** Settings by name, as a process gets them. */
export type Environment = Record<string, string | undefined>

/** The environment of this process: the only place in the sources that reads it. */
export function processEnvironment(): Environment {
  return process.env
}
