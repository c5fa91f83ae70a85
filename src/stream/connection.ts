import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, ReplyError } from 'ioredis'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { assertConnectionOptions } from './connection-options.ts'
import { StreamError, withoutCommand } from './errors.ts'
import { SCRIPTS, type Script } from './scripts.ts'

export interface StreamConnectionOptions {
  /** `redis://` or `rediss://`, with user and password where the server wants them. */
  url: string
  /** Treat the URL as a cluster's seed. */
  cluster?: boolean
  /** What `tls.connect` takes, for `rediss://`: a CA of one's own, a client's certificate. */
  tls?: ConnectionOptions
  /** The connection's name, as CLIENT LIST shows it. */
  name?: string
  logger?: Logger
  /** Only warn about an eviction policy that may delete a whole stream. */
  allowEviction?: boolean
  /** A command that has no answer by then rejects, in ms. */
  commandTimeoutMs?: number
}

/** What the server can do, probed once: managed ones lack things their version promises. */
export interface StreamCapabilities {
  /** XACKDEL: Redis 8.2, Valkey 9.2 and later. */
  ackDel: boolean
}

const CONNECT_TIMEOUT_MS = 10_000
const MAX_RECONNECT_PAUSE_MS = 1000
const HANG_UP_MS = 500

/**
 * The process's one connection for streams, multiplexed by all queues and workers, shared with nothing else.
 *
 * Commands in flight at a disconnect are not sent again (ioredis would run one XADD twice) and nothing waits in an
 * offline queue, where a command given up on could run later: both reject, and the caller decides.
 */
export class StreamConnection {
  readonly client: Redis | Cluster
  readonly #options: StreamConnectionOptions
  readonly #listeners = new Set<() => void>()
  #capabilities: StreamCapabilities = { ackDel: false }
  #ready: Promise<void> | undefined

  /**
   * Throws a TypeError that names the option which is wrong.
   * @param create makes the client; a server inside the process brings its own.
   */
  constructor(
    options: StreamConnectionOptions,
    create: (options: StreamConnectionOptions) => Redis | Cluster = createClient,
  ) {
    assertConnectionOptions(options)
    this.#options = options
    this.client = create(options)
    this.client.on('error', (error: Error) =>
      options.logger?.debug({ err: withoutCommand(error) }, `redis: ${errorLine(error)}`),
    )
    for (const { name, lua } of SCRIPTS) this.client.defineCommand(name, { numberOfKeys: 1, lua })
  }

  get capabilities(): StreamCapabilities {
    return this.#capabilities
  }

  /** In a cluster every command may touch one key only. */
  get isCluster(): boolean {
    return this.client instanceof Cluster
  }

  get isUsable(): boolean {
    return this.client.status === 'ready'
  }

  /**
   * Connects and probes; once it has worked it is done. Rejects with `STREAM_UNREACHABLE` or `STREAM_EVICTION`, both one
   * line; the next call tries again.
   */
  ready(): Promise<void> {
    this.#ready ??= this.#open().catch(error => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  /** Calls `listener` each time a lost connection is back. Answers how to stop that. */
  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Runs one of `scripts.ts`; the server keeps it by its hash. */
  run(script: Script, key: string, args: readonly (string | number)[]): Promise<unknown> {
    const client = this.client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    const command = client[script.name]
    if (command === undefined) throw new Error(`${script.name} is not registered`)
    return command.call(client, key, ...args)
  }

  async close(): Promise<void> {
    this.client.disconnect()
  }

  async #open(): Promise<void> {
    const { commandTimeoutMs: _, ...options } = this.#options
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(new Error(`no answer within ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    )
    try {
      await Promise.race([this.client.connect(), late.promise])
      await this.#probe()
    } catch (cause) {
      await this.#hangUp()
      const message = `Redis (streams) does not answer: ${errorLine(cause)}`
      throw new StreamError('STREAM_UNREACHABLE', message, { cause, canRetry: true })
    } finally {
      clearTimeout(timer)
    }
    await this.#checkEviction(options.allowEviction === true)
    this.client.on('ready', () => void this.#onBack())
  }

  /** Another server may answer now, an older one after a failover: what it can do is asked anew. */
  async #onBack(): Promise<void> {
    await this.#probe().catch(() => undefined)
    for (const listener of this.#listeners) listener()
  }

  /** Disconnects for good: only then may `connect` be called again. */
  async #hangUp(): Promise<void> {
    const ended = Promise.withResolvers<void>()
    this.client.once('end', ended.resolve)
    const timer = setTimeout(ended.resolve, HANG_UP_MS)
    this.client.disconnect()
    await ended.promise
    clearTimeout(timer)
    this.client.off('end', ended.resolve)
  }

  /** Every master's own answer: in a cluster under upgrade they differ. */
  async #ofEachMaster<T>(ask: (master: Redis) => Promise<T>): Promise<T[]> {
    if (this.client instanceof Cluster) return Promise.all(this.client.nodes('master').map(ask))
    return [await ask(this.client)]
  }

  async #probe(): Promise<void> {
    const answers = await this.#ofEachMaster(async master => {
      // A server whose ACL forbids the question is taken for one that lacks the command.
      const info = (await master.call('COMMAND', 'INFO', 'XACKDEL').catch(notLost)) as unknown[]
      return info[0] !== null && info[0] !== undefined
    })
    this.#capabilities = { ackDel: answers.every(Boolean) }
  }

  async #checkEviction(isAllowed: boolean): Promise<void> {
    const policies = await this.#ofEachMaster(async master => {
      const info = await master.info('memory').catch(() => '')
      return /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction'
    })
    const policy = policies.find(name => name !== 'noeviction')
    if (policy === undefined) return
    const message = `Redis has maxmemory-policy ${policy}, which may delete a whole stream: set it to noeviction`
    if (!isAllowed) {
      await this.#hangUp()
      throw new StreamError('STREAM_EVICTION', message)
    }
    this.#options.logger?.warn({ policy }, message)
  }
}

/** A refusal is an answer; a lost connection is not. */
function notLost(error: unknown): unknown[] {
  if (error instanceof ReplyError) return []
  throw error
}

export function createStreamConnection(options: StreamConnectionOptions): StreamConnection {
  return new StreamConnection(options)
}

const MAX_RECONNECT_EXPONENT = 10

export const reconnectPauseMs = (attempt: number) =>
  Math.min(MAX_RECONNECT_PAUSE_MS, 25 * 2 ** Math.min(attempt, MAX_RECONNECT_EXPONENT))

interface Shared {
  autoResendUnfulfilledCommands: boolean
  commandTimeout: number
  connectionName: string
  tls?: ConnectionOptions
}

function createClient(options: StreamConnectionOptions): Redis | Cluster {
  const shared: Shared = {
    autoResendUnfulfilledCommands: false,
    commandTimeout: options.commandTimeoutMs ?? 5000,
    connectionName: options.name ?? 'stream',
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  }
  if (options.cluster === true) return createCluster(options.url, shared)
  return new Redis(options.url, {
    ...shared,
    lazyConnect: true,
    enableOfflineQueue: false,
    // With each disconnect what was in flight is rejected; `null` would leave it to its time-out, seconds later.
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectPauseMs,
  })
}

function createCluster(url: string, shared: Shared): Cluster {
  const { username, password, protocol } = new URL(url)
  return new Cluster([url], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectPauseMs,
    redisOptions: {
      ...shared,
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(protocol === 'rediss:' ? { tls: shared.tls ?? {} } : {}),
    },
  })
}
