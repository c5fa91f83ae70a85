import { EventEmitter } from 'node:events'
import { type Argument, MemoryPipeline } from './memory-pipeline.ts'
import type { Answer, MemoryServer } from './memory-server.ts'

/**
 * The way between a client and its server. `carry` runs commands by `execute`, in the order in which they were handed
 * over, and hands each answer back in that order; a simulation puts delays and losses here.
 */
export interface MemoryLink {
  carry(command: readonly string[], execute: () => Answer, settle: (answer: Answer) => void): void
  /** Resolves when the server can be reached; rejects when it cannot. */
  connect(): Promise<void>
}

/** A moment later, as over a socket: never in the same turn of the event loop. */
export const IMMEDIATE_LINK: MemoryLink = {
  carry: (_command, execute, settle) => void setImmediate(() => settle(execute())),
  connect: () => new Promise(resolve => setImmediate(resolve)),
}

export interface MemoryClientOptions {
  link?: MemoryLink
  /** A command that has no answer by then rejects, in ms. */
  commandTimeoutMs?: number
  /** Pause before the n-th try to connect again, in ms. */
  reconnectPauseMs?(attempt: number): number
}

type Status = 'wait' | 'connecting' | 'ready' | 'reconnecting' | 'end'

interface Waiting {
  reject(error: Error): void
  timer: NodeJS.Timeout | undefined
}

/**
 * As much of ioredis's client as the framework uses, with its states, events and errors: commands in flight at a
 * disconnect reject, and nothing waits while it is away.
 */
export class MemoryClient extends EventEmitter {
  status: Status = 'wait'
  readonly #server: MemoryServer
  readonly #link: MemoryLink
  readonly #options: MemoryClientOptions
  readonly #waiting = new Set<Waiting>()
  #forgetCut: (() => void) | undefined
  #reconnectTimer: NodeJS.Timeout | undefined
  #attempt = 0

  constructor(server: MemoryServer, options: MemoryClientOptions = {}) {
    super()
    this.#server = server
    this.#options = options
    this.#link = options.link ?? IMMEDIATE_LINK
  }

  async connect(): Promise<void> {
    if (this.status !== 'wait' && this.status !== 'end') throw new Error('Redis is already connecting/connected')
    await this.#open()
  }

  disconnect(): void {
    clearTimeout(this.#reconnectTimer)
    if (this.status === 'end') return
    this.status = 'end'
    this.#drop()
    this.emit('close')
    this.emit('end')
  }

  defineCommand(name: string): void {
    Object.assign(this, { [name]: (...args: Argument[]) => this.call(name, ...args) })
  }

  call(name: string, ...args: Argument[]): Promise<unknown> {
    const command = [name, ...flat(args)]
    if (this.status !== 'ready') {
      return Promise.reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"))
    }
    return this.#send(command)
  }

  /** Texts as bytes: the server inside the process keeps nothing but text. */
  async callBuffer(name: string, ...args: Argument[]): Promise<unknown> {
    return toBuffers(await this.call(name, ...args))
  }

  sendCommand({ name, args }: { name: string; args: readonly unknown[] }): Promise<unknown> {
    return this.call(name, ...(args as Argument[]))
  }

  pipeline(): MemoryPipeline {
    return new MemoryPipeline((name, args) => this.call(name, ...args))
  }

  multi(): MemoryPipeline {
    return this.pipeline()
  }

  #send(command: string[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const { commandTimeoutMs } = this.#options
    const waiting: Waiting = { reject, timer: undefined }
    const leave = () => {
      clearTimeout(waiting.timer)
      return this.#waiting.delete(waiting)
    }
    if (commandTimeoutMs !== undefined) {
      waiting.timer = setTimeout(() => {
        if (leave()) reject(new Error('Command timed out'))
      }, commandTimeoutMs)
    }
    this.#waiting.add(waiting)
    const settle = (answer: Answer) => {
      // Given up, or its connection was lost: nobody hears this.
      if (!leave()) return
      if ('error' in answer) reject(answer.error)
      else resolve(answer.reply)
    }
    this.#link.carry(command, () => this.#server.execute(command), settle)
    return promise
  }

  async #open(): Promise<void> {
    this.status = 'connecting'
    try {
      await this.#link.connect()
    } catch (error) {
      if (this.#hasEnded()) throw new Error('Connection is closed.')
      this.emit('error', error)
      this.#reconnectLater()
      throw error
    }
    if (this.#hasEnded()) throw new Error('Connection is closed.')
    this.#attempt = 0
    this.#forgetCut = this.#server.onCut(() => this.cut())
    this.status = 'ready'
    this.emit('ready')
  }

  /** The connection is lost: what is under way rejects, and it goes on trying to be back. */
  cut(): void {
    if (this.status !== 'ready') return
    this.#drop()
    this.emit('close')
    this.#reconnectLater()
  }

  #hasEnded(): boolean {
    return this.status === 'end'
  }

  #drop(): void {
    this.#forgetCut?.()
    for (const { reject, timer } of this.#waiting) {
      clearTimeout(timer)
      reject(new Error('Connection is closed.'))
    }
    this.#waiting.clear()
  }

  #reconnectLater(): void {
    this.status = 'reconnecting'
    this.#attempt += 1
    const pauseMs = this.#options.reconnectPauseMs?.(this.#attempt) ?? 0
    this.#reconnectTimer = setTimeout(() => void this.#open().catch(() => undefined), pauseMs)
    this.emit('reconnecting')
  }
}

function toBuffers(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(toBuffers)
  return typeof reply === 'string' ? Buffer.from(reply) : reply
}

function flat(args: readonly Argument[]): string[] {
  return args.flatMap(arg => (Array.isArray(arg) ? flat(arg) : [String(arg)]))
}

const METHODS =
  'ping set get mget del unlink exists incrby pttl expire info xadd xlen xrange xrevrange xread xdel xtrim xreadgroup xack xclaim xautoclaim xpending xinfo xgroup'

for (const name of METHODS.split(' ')) {
  Object.defineProperty(MemoryClient.prototype, name, {
    value(this: MemoryClient, ...args: Argument[]) {
      return this.call(name, ...args)
    },
  })
}
