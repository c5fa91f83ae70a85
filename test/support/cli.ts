import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { COMPILE_CACHE } from '#local/demo/children.ts'

const ROOT = resolve(import.meta.dirname, '../..')

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** A program of ours, by its path from the root of the repository. */
export function startProgram(program: string, env: Environment, args: readonly string[]): ChildProcess {
  const argv = ['--disable-warning=TimeoutNegativeWarning', program, ...args]
  return spawn(process.execPath, argv, { cwd: ROOT, env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...env } })
}

/** A program of ours from its start to its end. */
export async function runProgram(program: string, env: Environment, args: readonly string[] = []): Promise<CliResult> {
  const child = startProgram(program, env, args)
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', chunk => {
    stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    stderr += chunk
  })
  const code = await new Promise<number | null>(ended => child.once('close', ended))
  return { code, stdout, stderr }
}

const CLI = 'src/bin/cli.ts'

export const startCli = (env: Environment, ...args: string[]) => startProgram(CLI, env, args)

/** One command of the CLI, in a process of its own. */
export const runCli = (env: Environment, ...args: string[]) => runProgram(CLI, env, args)
