import { MemoryServer, type MemoryServerOptions } from '#stream/memory/memory-server.ts'

/** A server inside the process, asked as one asks at a Redis's prompt, with a clock that the test moves. */
export class AskedServer {
  nowMs = 1_000_000
  readonly server: MemoryServer

  constructor(options: MemoryServerOptions = {}) {
    this.server = new MemoryServer({ clock: () => this.nowMs, ...options })
  }

  /** The reply to a line; a refusal as its text. */
  ask(line: string): unknown {
    const answer = this.server.execute(line.split(' '))
    return 'error' in answer ? answer.error.message : answer.reply
  }

  /** The replies to lines, one after the other. */
  askAll(...lines: string[]): unknown[] {
    return lines.map(line => this.ask(line))
  }

  /** Ids of the stream's entries. */
  ids(key: string): string[] {
    return (this.ask(`XRANGE ${key} - +`) as [string, unknown][]).map(([id]) => id)
  }

  /** What a group has handed out: of each entry its id, holder, idle ms and deliveries. */
  pending(key: string, group: string): unknown {
    return this.ask(`XPENDING ${key} ${group} - + 100`)
  }

  /** Adds entries `1-0`, `2-0` … */
  fill(key: string, count: number): void {
    for (let ms = 1; ms <= count; ms++) this.ask(`XADD ${key} ${ms}-0 n ${ms}`)
  }
}
