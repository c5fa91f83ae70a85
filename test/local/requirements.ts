import { chmodSync, mkdtempSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { findExecutable, isRoot } from '#local/servers/executables.ts'

/** Whether a real Kafka can be had here: tests that need one are skipped, by name, where it cannot. */
export function kafkaHere(): boolean {
  const { env } = process
  const jars = Boolean(env.KAFKA_HOME) || findExecutable(env, 'mvn') !== undefined
  const apt = isRoot() && findExecutable(env, 'apt-get') !== undefined
  return apt || (jars && (Boolean(env.JAVA_HOME) || findExecutable(env, 'java') !== undefined))
}

/** A PATH of one new folder with these programs and nothing else. Those that this machine lacks are left out. */
export function pathWith(parent: string, ...programs: string[]): string {
  const folder = mkdtempSync(join(parent, 'path-'))
  chmodSync(folder, 0o755)
  for (const program of programs) {
    const found = findExecutable(process.env, program)
    if (found !== undefined) symlinkSync(found, join(folder, program))
  }
  return folder
}
