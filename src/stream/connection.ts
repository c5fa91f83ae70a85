import calculateSlot from 'cluster-key-slot'
import { Cluster, type Redis, ReplyError } from 'ioredis'
import { REDIS_START_MS, reconnectPauseMs } from '#runtime/redis.ts'
import { createRedis } from '#runtime/redis-client.ts'
import { logOutages } from '#runtime/redis-outage.ts'
import { describeRefusal, lastReasonOf } from '#runtime/redis-refusal.ts'
import { isReadOnly } from '#runtime/redis-watch.ts'
import { within } from '#runtime/within.ts'
import { assertConnectionOptions, type StreamConnectionOptions } from './connection-options.ts'
import { StreamError, withoutCommand } from './errors.ts'
import { decodeReadsFast } from './fast-reads.ts'
import { replayLetters, trimLetters } from './letter-scripts.ts'
import { SCRIPTS, type Script } from './scripts.ts'

/** What the server can do, probed once: managed ones lack things their version promises. */
export interface StreamCapabilities {
  /** XACKDEL: Redis 8.2, Valkey 9.2 and later. */
  ackDel: boolean
}

const DEFAULT_TIMEOUT_MS = 5000
/** A node's own queue must be given up on (by its time to connect and its silence) before a command in it is. */
const DEFAULT_CLUSTER_TIMEOUT_MS = 8000
const HANG_UP_MS = 500

/** A connection's client, for the framework's own files: nobody else shall block it, or send what may not be sent twice. */
export let clientOf: (connection: StreamConnection) => Redis | Cluster

/** Runs one of `scripts.ts` on a connection; the server keeps it by its hash. */
export function runScript(
  connection: StreamConnection,
  { name }: Script,
  keys: string | readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const client = clientOf(connection) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
  const command = client[name]
  if (command === undefined) throw new Error(`${name} is not registered`)
  return typeof keys === 'string' ? command.call(client, keys, ...args) : command.call(client, ...keys, ...args)
}

/**
 * The process's one connection for streams, multiplexed by all queues and workers, shared with nothing else.
 *
 * Commands in flight at a disconnect are not sent again (ioredis would run one XADD twice) and nothing waits in an
 * offline queue, where a command given up on could run later: both reject, and the caller decides.
 */
export class StreamConnection {
  readonly #client: Redis | Cluster
  readonly #options: StreamConnectionOptions
  readonly #listeners = new Set<() => void>()
  #capabilities: StreamCapabilities = { ackDel: false }
  #ready: Promise<void> | undefined

  static {
    clientOf = connection => connection.#client
  }

  /** Throws a TypeError that names the option which is wrong. */
  constructor(options: StreamConnectionOptions)
  /** @internal A server inside the process brings its own client. */
  constructor(options: StreamConnectionOptions, create: (options: StreamConnectionOptions) => Redis | Cluster)
  constructor(
    options: StreamConnectionOptions,
    create: (options: StreamConnectionOptions) => Redis | Cluster = createClient,
  ) {
    assertConnectionOptions(options)
    this.#options = options
    this.#client = create(options)
    this.#client.on('error', withoutCommand)
    decodeReadsFast(this.#client)
    if (options.logger !== undefined) logOutages(this.#client, this.#setting, options.logger)
    for (const { name, lua, numberOfKeys = 1 } of [...SCRIPTS, trimLetters, replayLetters])
      this.#client.defineCommand(name, { numberOfKeys, lua })
  }

  /** What the server that answers now can do, as far as it has been asked. */
  get capabilities(): StreamCapabilities {
    return this.#capabilities
  }

  /** In a cluster every command may touch one key only. */
  get isCluster(): boolean {
    return this.#client instanceof Cluster
  }

  /** Connected, to a server that may be written to. */
  get isUsable(): boolean {
    return this.#client.status === 'ready' && !isReadOnly(this.#client)
  }

  /**
   * In a cluster: whether another node than this key's answers, and its slots are served. False when there is none, and when
   * the server refuses the question (`CLUSTER INFO`). Never rejects.
   */
  async isServedBeside(key: string): Promise<boolean> {
    if (!(this.#client instanceof Cluster)) return false
    const own = this.#client.slots[calculateSlot(key)]?.[0]
    const others = this.#client
      .nodes('master')
      .filter(({ options: { host, port } }) => `${host}:${port}` !== own)
      .map(async node => {
        if (!/cluster_state:ok/.test(String(await node.cluster('INFO')))) throw new Error('slots are not served')
      })
    return Promise.any(others).then(
      () => true,
      () => false,
    )
  }

  get #setting(): string {
    return this.#options.setting ?? 'streams'
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

  /** Calls `listener` each time a lost connection is back. Returns how to stop that. */
  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What it is now: usable (`ready`), on a replica (`read-only`), or away (`connecting`, `reconnecting`, `end` …). */
  get state(): string {
    return this.#client.status === 'ready' && isReadOnly(this.#client) ? 'read-only' : this.#client.status
  }

  /** Asks the server for a sign of life. Rejects when it refuses, or gives none within `commandTimeoutMs`. */
  async ping(): Promise<void> {
    await this.#client.ping()
  }

  /** Ends it at once: what is under way rejects. Queues and workers on it are to be closed before. */
  async close(): Promise<void> {
    this.#client.disconnect()
  }

  async #open(): Promise<void> {
    const reason = lastReasonOf(this.#client)
    const failure = Promise.withResolvers<never>()
    reason.onFinal(failure.reject)
    try {
      await within(Promise.race([this.#client.connect(), failure.promise]), REDIS_START_MS, () => {
        throw new Error(`no answer within ${REDIS_START_MS} ms`)
      })
      await this.#probe()
    } catch (thrown) {
      await this.#hangUp()
      const cause = reason.error ?? thrown
      const message = describeRefusal(this.#client, this.#setting, cause)
      throw new StreamError('STREAM_UNREACHABLE', message, { cause, canRetry: true })
    } finally {
      reason.stop()
    }
    await this.#checkServer()
    this.#client.on('ready', () => void this.#onBack())
    // A node that was lost comes back as a new one; the cluster has been `ready` all the time.
    this.#client.on('+node', (node: Redis) => node.once('ready', () => void this.#onBack()))
  }

  /** Another server may answer now, an older one after a failover: what it can do is asked anew. */
  async #onBack(): Promise<void> {
    // Not knowing, it sends what every server knows: an older one would refuse each acknowledgement, for ever.
    await this.#probe().catch(() => {
      this.#capabilities = { ackDel: false }
    })
    for (const listener of this.#listeners) listener()
  }

  /** Disconnects for good: only then may `connect` be called again. */
  async #hangUp(): Promise<void> {
    const ended = Promise.withResolvers<void>()
    this.#client.once('end', ended.resolve)
    this.#client.disconnect()
    await within(ended.promise, HANG_UP_MS, () => undefined)
    this.#client.off('end', ended.resolve)
  }

  /** Every master's own answer: in a cluster under upgrade they differ. */
  async #ofEachMaster<T>(ask: (master: Redis) => Promise<T>): Promise<T[]> {
    if (!(this.#client instanceof Cluster)) return [await ask(this.#client)]
    // A shard that is down says nothing, and keeps the others from nothing.
    const answers = await Promise.allSettled(this.#client.nodes('master').map(ask))
    return answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
  }

  async #probe(): Promise<void> {
    const answers = await this.#ofEachMaster(async master => {
      // A server whose ACL forbids the question is taken for one that lacks the command.
      const info = (await master.call('COMMAND', 'INFO', 'XACKDEL').catch(notLost)) as unknown[]
      return info[0] !== null && info[0] !== undefined
    })
    this.#capabilities = { ackDel: answers.length > 0 && answers.every(Boolean) }
  }

  /** What a server may do to streams by itself. */
  async #checkServer(): Promise<void> {
    const { logger, allowEviction } = this.#options
    const servers = await this.#ofEachMaster(async master => {
      const info = async (section: string) => master.info(section).catch(() => '')
      return `${await info('memory')}\n${await info('persistence')}`
    })
    if (servers.some(info => /^aof_enabled:0/m.test(info)))
      logger?.warn(
        { setting: this.#setting },
        `Redis (${this.#setting}) keeps no append-only file: a restart loses what is on its streams`,
      )
    const policies = servers.map(info => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction')
    const policy = policies.find(name => name !== 'noeviction')
    if (policy === undefined) return
    const message = `Redis (${this.#setting}) has maxmemory-policy ${policy}, which may delete a whole stream: set it to noeviction`
    if (allowEviction !== true) {
      await this.#hangUp()
      throw new StreamError('STREAM_EVICTION', message)
    }
    logger?.warn({ policy }, message)
  }
}

/** A refusal is an answer; a lost connection is not. */
function notLost(error: unknown): unknown[] {
  if (error instanceof ReplyError) return []
  throw error
}

/** A connection that queues and workers share; connects with the first call of `ready`. Throws a TypeError that names the option. */
export function createStreamConnection(options: StreamConnectionOptions): StreamConnection {
  return new StreamConnection(options)
}

function createClient({ url, cluster = false, tls, name, commandTimeoutMs }: StreamConnectionOptions): Redis | Cluster {
  return createRedis({
    url,
    cluster,
    ...(tls === undefined ? {} : { tls }),
    behaviour: {
      autoResendUnfulfilledCommands: false,
      commandTimeout: commandTimeoutMs ?? (cluster ? DEFAULT_CLUSTER_TIMEOUT_MS : DEFAULT_TIMEOUT_MS),
      connectionName: name ?? 'stream',
      enableOfflineQueue: false,
      // With each disconnect what was in flight is rejected; `null` would leave it to its time-out, seconds later.
      maxRetriesPerRequest: 0,
      retryStrategy: reconnectPauseMs,
    },
  })
}
