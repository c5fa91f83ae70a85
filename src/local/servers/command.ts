import { spawn } from 'node:child_process'
import { LocalStackError, reasonOf } from './errors.ts'
import type { Environment } from './executables.ts'
import { dieWithParent } from './guard.ts'

export interface CommandOptions {
  env: Environment
  /** Folder it runs in. */
  cwd?: string
  /** User it runs as; only root may say. */
  uid?: number | undefined
  /** What it reads. */
  input?: string
}

const KEPT_CHARACTERS = 16_000

/** Runs a command to its end; resolves to what it printed, rejects (`START_FAILED`) with its last line. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const [file, argv] = dieWithParent(options.env, 'KILL', command, args)
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown) =>
      reject(new LocalStackError('START_FAILED', `${command} failed: ${reason}`, { cause }))
    const child = spawn(file, argv, {
      env: options.env,
      stdio: 'pipe',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    })
    let output = ''
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-KEPT_CHARACTERS)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    // A command that ends without reading closes the pipe under us; its exit code tells.
    child.stdin.on('error', () => undefined).end(options.input ?? '')
    child.once('error', error => fail(reasonOf(error), error))
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output)
      else fail(tellingLine(output) ?? (signal === null ? `exit code ${code}` : `ended by ${signal}`))
    })
  })
}

/** The line that says most about a failure: the first that names an error, else the last. */
export function tellingLine(output: string): string | undefined {
  const lines = output
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  return lines.find(line => /\b(error|fatal|panic|exception|denied)\b/i.test(line)) ?? lines.at(-1)
}
