import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Settings by name. This folder reads no other environment than the one it is given. */
export type Environment = Record<string, string | undefined>

/** The first of `names` that stands on the PATH of `env` and may be run; undefined when none does. */
export function findExecutable(env: Environment, ...names: string[]): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  for (const name of names) {
    const found = folders.map(folder => join(folder, name)).find(isExecutable)
    if (found !== undefined) return found
  }
  return undefined
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}
