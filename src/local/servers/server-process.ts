import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { tellingLine } from './command.ts'
import { LocalStackError } from './errors.ts'
import type { Environment } from './executables.ts'
import { type DeathSignal, dieWithParent } from './guard.ts'

export interface ServerCommand {
  /** As people call it, for messages. */
  name: string
  file: string
  args: readonly string[]
  env: Environment
  cwd: string
  /** User it runs as; only root may say. */
  uid?: number | undefined
  /** Everything it prints goes there. */
  logFile: string
  /** What it prints when it can be used. */
  readyPattern: RegExp
  readyTimeoutMs: number
  deathSignal: DeathSignal
  /** Outlives this process. */
  keep: boolean
}

const READY_POLL_MS = 15
const PORT_TAKEN = /address already in use|could not bind|EADDRINUSE|failed listening on port/i

/** One server process: started until it says that it is ready, stopped until it is gone. */
export class ServerProcess {
  readonly #command: ServerCommand
  readonly #child: ChildProcess
  readonly #gone: Promise<void>
  #failure: string | undefined

  private constructor(command: ServerCommand) {
    this.#command = command
    const [file, args] = command.keep
      ? [command.file, [...command.args]]
      : dieWithParent(command.env, command.deathSignal, command.file, command.args)
    const log = openSync(command.logFile, 'w')
    try {
      this.#child = spawn(file, args, {
        cwd: command.cwd,
        env: command.env,
        stdio: ['ignore', log, log],
        // Its own process group: a Ctrl-C in the terminal reaches us alone, and we stop it when our work is done.
        detached: true,
        ...(command.uid === undefined ? {} : { uid: command.uid, gid: command.uid }),
      })
    } finally {
      closeSync(log)
    }
    if (command.keep) this.#child.unref()
    this.#gone = new Promise(resolve => {
      this.#child.once('exit', () => resolve())
      this.#child.once('error', error => {
        this.#failure = error.message
        resolve()
      })
    })
  }

  /** Rejects (`START_FAILED`) with what its log says when it ends or is not ready in time; `portTaken` tells why. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command)
    try {
      await server.#ready()
      return server
    } catch (error) {
      await server.stop('SIGKILL', 0)
      throw error
    }
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get alive(): boolean {
    return this.#failure === undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Settles when the process has ended, for whatever reason. */
  get gone(): Promise<void> {
    return this.#gone
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Asks with `signal`, and with SIGKILL when that has not helped after `deadlineMs`. */
  async stop(signal: NodeJS.Signals, deadlineMs: number): Promise<void> {
    if (!this.alive) return
    this.#child.ref()
    this.signal(signal)
    // A frozen process takes nothing but SIGKILL before it goes on.
    this.signal('SIGCONT')
    const timer = setTimeout(() => this.signal('SIGKILL'), deadlineMs)
    await this.#gone
    clearTimeout(timer)
  }

  async #ready(): Promise<void> {
    const { name, logFile, readyPattern, readyTimeoutMs } = this.#command
    const deadlineMs = performance.now() + readyTimeoutMs
    while (this.alive) {
      if (readyPattern.test(readFileSync(logFile, 'utf8'))) return
      if (performance.now() > deadlineMs) throw this.#notStarted(`${name} was not ready after ${readyTimeoutMs} ms`)
      await sleep(READY_POLL_MS)
    }
    throw this.#notStarted(`${name} ended while it was starting`)
  }

  #notStarted(what: string): ServerNotStarted {
    const log = readFileSync(this.#command.logFile, 'utf8')
    return new ServerNotStarted(`${what}: ${this.#failure ?? tellingLine(log) ?? 'it printed nothing'}`, log)
  }
}

/** A server that did not come up. */
export class ServerNotStarted extends LocalStackError {
  /** Somebody else has its port: another one may help. */
  readonly portTaken: boolean

  constructor(message: string, log: string) {
    super('START_FAILED', message)
    this.portTaken = PORT_TAKEN.test(log)
  }
}
