import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { freePort } from '#local/servers/free-port.ts'
import { dieWithParent } from '#local/servers/guard.ts'
import { CodedError } from '#runtime/errors.ts'

export interface ChildOptions {
  kind: 'listener' | 'worker' | 'admin'
  /** Tells two of a kind apart, in log files. */
  name: string
  env: Record<string, string>
  /** Its log goes to `{logFolder}/{name}.log`. */
  logFolder: string
  /** It outlives this process. */
  keep: boolean
  /** After those of package.json's `start:…` scripts. */
  nodeFlags?: readonly string[]
  /** The program to run instead of the one of its kind. */
  entry?: string
}

/** One process of promostream, run as a user runs it. */
export interface Child {
  name: string
  pid: number
  url: string
  logFile: string
  /** Resolves with its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals | null>
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>
}

/** As in package.json's `start:…` scripts: garbage of a batch dies young when the young generation has room for it. */
const NODE_FLAGS = ['--max-semi-space-size=64', '--disable-warning=TimeoutNegativeWarning']
/** As in package.json's scripts: a process that starts again finds what was compiled for the one before. */
export const COMPILE_CACHE = fileURLToPath(new URL('../../../node_modules/.cache/promostream', import.meta.url))
const READY_TIMEOUT_MS = 30_000
const READY_POLL_MS = 50

/** Starts it and waits until it says that it is ready; a child that ends instead is an error with its last line. */
export async function startChild({
  kind,
  name,
  env,
  logFolder,
  keep,
  nodeFlags = [],
  ...options
}: ChildOptions): Promise<Child> {
  const port = await freePort()
  const logFile = join(logFolder, `${name}.log`)
  const entry = options.entry ?? fileURLToPath(new URL(`../../bin/${kind}.ts`, import.meta.url))
  const command = [process.execPath, ...NODE_FLAGS, ...nodeFlags, entry] as const
  // Killed however, this process leaves none of its children behind, unless it was told to.
  const [file, args] = keep ? [command[0], command.slice(1)] : dieWithParent(env, 'KILL', command[0], command.slice(1))
  const log = openSync(logFile, 'w')
  const child = spawn(file, args, {
    env: {
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...env,
      PROBE_HOST: '127.0.0.1',
      [`${kind.toUpperCase()}_PORT`]: String(port),
    },
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  if (keep) child.unref()
  const ended = new Promise<number | NodeJS.Signals | null>(resolve => {
    child.once('exit', (code, signal) => resolve(code ?? signal))
  })
  const url = `http://127.0.0.1:${port}`
  try {
    await waitUntilReady(child, name, url, logFile)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    name,
    pid: child.pid ?? 0,
    url,
    logFile,
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function waitUntilReady(child: ChildProcess, name: string, url: string, logFile: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new CodedError('CHILD_ENDED', `${name} ended before it was ready; its log is ${logFile}`)
    }
    const isReady = await request(`${url}/ready`).then(
      async ({ statusCode, body }) => {
        await body.dump()
        return statusCode === 200
      },
      () => false,
    )
    if (isReady) return
    if (Date.now() > deadline) {
      throw new CodedError(
        'CHILD_NOT_READY',
        `${name} was not ready within ${READY_TIMEOUT_MS} ms; its log is ${logFile}`,
      )
    }
    await sleep(READY_POLL_MS)
  }
}
