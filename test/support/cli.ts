import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../src/bin/cli.ts', import.meta.url))

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

export function startCli(env: Record<string, string>, ...args: string[]): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', CLI, ...args], { env })
}

/** One command of the CLI, in a process of its own. */
export async function runCli(env: Record<string, string>, ...args: string[]): Promise<CliResult> {
  const child = startCli(env, ...args)
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', chunk => {
    stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    stderr += chunk
  })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, stdout, stderr }
}
