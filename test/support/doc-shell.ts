import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The shell block of a page that holds this command. */
export function shellBlock(page: string, command: string): string {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!)
  const block = blocks.find(one => one.includes(command))
  if (block === undefined) throw new Error(`${page} has no shell block with ${command}`)
  return block
}

/** Commands that begin so, inside the sentences of a page and in its shell blocks, without the remark behind them. */
export function commandsOf(page: string, start: string): string[] {
  const text = readFileSync(page, 'utf8').replace(/\\\n\s*/g, ' ')
  const lines = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => block!.split('\n'))
  const inline = [...text.replace(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
  const commands = [...lines, ...inline].map(line =>
    line
      .replace(/\s+/g, ' ')
      .replace(/ # .*$/, '')
      .trim(),
  )
  const found = commands.filter(command => command.startsWith(start))
  if (found.length === 0) throw new Error(`${page} has no command that begins with ${start}`)
  return found
}

export interface ShellResult {
  code: number | null
  stdout: string
  /** Both of its streams, in the order in which they came. */
  said: string
}

export interface ShellOptions {
  cwd?: string
  env: Readonly<Record<string, string | undefined>>
  /** What it reads; it has no terminal. */
  input?: string
}

/** A script that runs, with all the processes that it has started. */
export interface RunningShell {
  said(): string
  ended: Promise<ShellResult>
  /** Sends all of them this signal; resolves when the last has ended. */
  stop(signal?: NodeJS.Signals): Promise<ShellResult>
}

/** Starts a script, which stops at the first command that fails. */
export function startShell(script: string, options: ShellOptions): RunningShell {
  const { input = '', ...where } = options
  // A session of its own has no terminal to ask for a password, and one group to be stopped.
  // Without `--norc` bash takes a pipe of Node's for a remote login.
  const argv = ['--norc', '-euo', 'pipefail', '-c', script]
  const shell = spawn('bash', argv, { ...where, detached: true, stdio: 'pipe' })
  let [stdout, said] = ['', '']
  for (const stream of [shell.stdout, shell.stderr])
    stream.setEncoding('utf8').on('data', chunk => {
      said += chunk
      if (stream === shell.stdout) stdout += chunk
    })
  shell.stdin.on('error', () => undefined).end(input)
  const ended = new Promise<ShellResult>(done => shell.once('close', code => done({ code, stdout, said })))
  let isRunning = true
  void ended.then(() => {
    isRunning = false
  })
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    if (isRunning) process.kill(-shell.pid!, signal)
    return ended
  }
  return { said: () => said, ended, stop }
}

/** Runs a script to its end; one that takes too long is killed. */
export async function runShell(script: string, options: ShellOptions & { timeoutMs?: number }): Promise<ShellResult> {
  const { timeoutMs = 120_000, ...others } = options
  const shell = startShell(script, others)
  const timer = setTimeout(() => void shell.stop('SIGKILL'), timeoutMs)
  const result = await shell.ended
  clearTimeout(timer)
  return result
}

/** What a script says that ends with 0. @throws Error with all that it said, if it does not. */
export async function runWell(script: string, options: Parameters<typeof runShell>[1]): Promise<ShellResult> {
  const result = await runShell(script, options)
  if (result.code === 0) return result
  throw new Error(`«${script}» ended with ${result.code}: ${result.said}`)
}
