import type { Command, Reply } from './command.ts'
import { groupCommands } from './group-commands.ts'
import { Keyspace } from './keyspace.ts'
import { MEMORY_SCRIPTS } from './memory-scripts.ts'
import { refusal } from './refusal.ts'
import { streamCommands } from './stream-commands.ts'
import { stringCommands } from './string-commands.ts'

/** What came of one command: its reply, or the server's refusal. */
export type Answer = { error: Error } | { reply: Reply }

export interface MemoryServerOptions {
  /** The server's clock, in ms since the epoch. Default: this process's. */
  clock?(): number
  /** Does it know XACKDEL, as Redis 8.2 does? Default true. */
  hasAckDel?: boolean
}

/**
 * A Redis of streams inside the process: the commands and scripts that this framework sends, with the replies and
 * errors of a real one, and no more. One command is one step; nothing of it is kept when the process ends.
 */
export class MemoryServer {
  readonly keys: Keyspace
  hasAckDel: boolean
  /** `maxmemory-policy`, as INFO says it. */
  evictionPolicy = 'noeviction'
  readonly #cuts = new Set<() => void>()
  readonly #calls = new Map<string, number>()
  readonly #commands: Readonly<Record<string, Command>>

  constructor({ clock = Date.now, hasAckDel = true }: MemoryServerOptions = {}) {
    this.keys = new Keyspace(clock)
    this.hasAckDel = hasAckDel
    this.#commands = {
      ...stringCommands,
      ...streamCommands,
      ...groupCommands,
      ...MEMORY_SCRIPTS,
      INFO: () => `maxmemory_policy:${this.evictionPolicy}`,
      COMMAND: () => [this.hasAckDel ? ['xackdel'] : null],
    }
  }

  /** Runs one command, given with its name. */
  execute([name = '', ...args]: readonly string[]): Answer {
    try {
      return { reply: this.#commandOf(name)(this.keys, args) }
    } catch (error) {
      return { error: error as Error }
    }
  }

  /** How often a command was given so far, those inside scripts not counted. */
  callsOf(name: string): number {
    return this.#calls.get(name.toUpperCase()) ?? 0
  }

  /** Calls `cut` when every connection is cut. Returns how to stop that. */
  onCut(cut: () => void): () => void {
    this.#cuts.add(cut)
    return () => this.#cuts.delete(cut)
  }

  cutConnections(): void {
    for (const cut of [...this.#cuts]) cut()
  }

  #commandOf(name: string): Command {
    const known = MEMORY_SCRIPTS[name] ?? this.#commands[name.toUpperCase()]
    const isMissing = known === undefined || (name.toUpperCase() === 'XACKDEL' && !this.hasAckDel)
    if (isMissing) throw refusal(`ERR unknown command '${name}'`)
    this.#calls.set(name.toUpperCase(), this.callsOf(name) + 1)
    return known
  }
}
