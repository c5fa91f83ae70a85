import type { ChildProcess } from 'node:child_process'
import type { Environment } from './executables.ts'
import type { Progress } from './progress.ts'
import { ServerNotStarted, type ServerProcess } from './server-process.ts'

/** What every server of the embedded stack gets. */
export interface LocalContext {
  /** Where servers are looked for (PATH, KAFKA_HOME, JAVA_HOME …). */
  env: Environment
  /** The stack's temporary folder. */
  folder: string
  /** The server outlives this process. */
  keep: boolean
  progress: Progress
  /** A port that is free now; it may not be a moment later. */
  pickPort: () => Promise<number>
}

/** One server of the embedded stack: found, started, stopped. */
export interface LocalServer {
  /** As people call it. */
  readonly name: string
  /** Defined while it runs. */
  readonly pid: ChildProcess['pid']
  /**
   * Finds the server (fetches it where it can) and starts it; resolves, when it can be used, to the variables that
   * lead to it. Started again after a stop or a kill it has its old port and data. Rejects with a LocalStackError.
   */
  start(): Promise<Record<string, string>>
  /** Ends it; its data stay. Safe to call twice, and before a start. */
  stop(): Promise<void>
  /** For tests of outages: SIGKILL, SIGSTOP, SIGCONT … */
  signal(signal: NodeJS.Signals): void
  /** Settles when its process has ended for whatever reason; at once when none runs. */
  gone(): Promise<void>
}

interface Life {
  name: string
  stopSignal: NodeJS.Signals
  stopDeadlineMs: number
  /** Once, before the first start: finds the binary, makes the data. */
  prepare(): Promise<void>
  launch(ports: number[]): Promise<ServerProcess>
  /** How many ports `launch` wants. */
  ports: number
  variables(ports: number[]): Record<string, string>
}

const PORT_ATTEMPTS = 5

/** The life all servers share: prepared once, started on free ports, started again on the same ones. */
export function localServer({ pickPort }: LocalContext, life: Life): LocalServer {
  let prepared: Promise<void> | undefined
  let ports: number[] | undefined
  let running: ServerProcess | undefined

  const launch = async () => {
    if (ports !== undefined) return life.launch(ports)
    for (let attempt = 1; ; attempt++) {
      const candidates = await Promise.all(Array.from({ length: life.ports }, pickPort))
      try {
        const server = await life.launch(candidates)
        ports = candidates
        return server
      } catch (error) {
        // Between the look and the bind another process was faster.
        if (!(error instanceof ServerNotStarted && error.portTaken) || attempt === PORT_ATTEMPTS) throw error
      }
    }
  }

  return {
    name: life.name,
    get pid() {
      return running?.alive ? running.pid : undefined
    },
    async start() {
      prepared ??= life.prepare()
      await prepared
      if (!running?.alive) running = await launch()
      return life.variables(ports ?? [])
    },
    stop: async () => running?.stop(life.stopSignal, life.stopDeadlineMs),
    signal: signal => running?.signal(signal),
    gone: async () => running?.gone,
  }
}
