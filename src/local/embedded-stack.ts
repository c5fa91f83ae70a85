import { join } from 'node:path'
import { type MoneyOptions, moneyServer } from '#local/money-api/money-server.ts'
import type { LocalStackError } from '#local/servers/errors.ts'
import type { Environment } from '#local/servers/executables.ts'
import { freePort } from '#local/servers/free-port.ts'
import { kafkaServer } from '#local/servers/kafka.ts'
import { kafkaMockServer } from '#local/servers/kafka-mock.ts'
import type { LocalContext, LocalServer } from '#local/servers/local-server.ts'
import { postgresServer } from '#local/servers/postgres.ts'
import { Progress, type ProgressLine } from '#local/servers/progress.ts'
import { redisServer } from '#local/servers/redis.ts'
import { createWorkspace, ownWorkspace, removeWorkspace } from '#local/servers/workspace.ts'

export const STACK_SERVERS = ['postgres', 'redis', 'kafka', 'money'] as const
export type StackServer = (typeof STACK_SERVERS)[number]

export interface StackOptions {
  /** PATH, HOME and the variables that name servers to be used as they are. */
  env: Environment
  /** Which to start; all by default. */
  servers?: readonly StackServer[]
  /** Where Apache Kafka cannot be had, librdkafka's mock cluster will do. */
  allowMockKafka?: boolean
  /** The servers outlive this process: `howToStop` says how to end them. */
  keep?: boolean
  money?: MoneyOptions
  onProgress: ProgressLine
}

export interface Stack {
  /** The variables that lead processes to the servers, given ones included. */
  env: Record<string, string>
  kafka: 'apache' | 'mock' | 'given' | 'none'
  /** The servers that were started here (not the given ones), for tests that kill and restart them. */
  servers: Partial<Record<StackServer, LocalServer>>
  /** Logs and data. */
  folder: string
  /** A shell line that ends a kept stack. */
  howToStop: string
  /** Stops what was started here, kept or not, and removes its folder. Safe to call twice. */
  close(): Promise<void>
}

/** Variables by which the environment names a server, the one that decides first. */
const VARIABLES: Record<StackServer, readonly [string, ...string[]]> = {
  postgres: ['DATABASE_URL'],
  redis: ['REDIS_URL', 'REDIS_STREAM_URL'],
  kafka: ['KAFKA_BROKERS'],
  money: ['MONEY_API_URL', 'MONEY_API_TOKEN'],
}

/**
 * Starts the servers that the environment does not name, side by side, each on a free loopback port with its data in
 * a temporary folder. None outlives this process, not even a SIGKILL of it, unless `keep` is set.
 * Rejects with a LocalStackError (`…_MISSING`, `START_FAILED`); then nothing is left running.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { env, keep = false, servers: wanted = STACK_SERVERS } = options
  const progress = new Progress(options.onProgress)
  const folder = createWorkspace(env)
  const context: LocalContext = { env, folder, keep, progress, pickPort: freePort }
  const stack = new StackOfServers(context)
  try {
    await stack.start(wanted, options)
  } catch (error) {
    await stack.close()
    throw error
  }
  return stack
}

class StackOfServers implements Stack {
  readonly env: Record<string, string> = {}
  readonly servers: Partial<Record<StackServer, LocalServer>> = {}
  readonly folder: string
  readonly #context: LocalContext
  readonly #variables: Partial<Record<StackServer, Record<string, string>>> = {}
  #kafka: Stack['kafka'] = 'none'
  #closing: Promise<void> | undefined

  constructor(context: LocalContext) {
    this.#context = context
    this.folder = context.folder
    if (!context.keep) process.once('exit', this.#onExit)
  }

  get kafka(): Stack['kafka'] {
    return this.#kafka
  }

  get howToStop(): string {
    return `kill ${this.#pids().join(' ')}; sleep 2; rm -rf ${this.folder}`
  }

  async start(wanted: readonly StackServer[], options: StackOptions): Promise<void> {
    const outcomes = await Promise.allSettled(wanted.map(name => this.#startOne(name, options)))
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    for (const name of wanted) Object.assign(this.env, this.#variables[name])
    if (this.#context.keep) ownWorkspace(this.folder, this.#pids())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #startOne(name: StackServer, options: StackOptions): Promise<void> {
    const given = givenVariables(options.env, name)
    if (given !== undefined) {
      this.#variables[name] = given
      if (name === 'kafka') this.#kafka = 'given'
    } else if (name === 'kafka') await this.#startKafka(options.allowMockKafka ?? false)
    else await this.#run(name, this.#create(name, options))
  }

  #create(name: 'postgres' | 'redis' | 'money', options: StackOptions): LocalServer {
    if (name === 'postgres') return postgresServer(this.#context)
    return name === 'redis' ? redisServer(this.#context) : moneyServer(this.#context, options.money)
  }

  async #startKafka(allowMock: boolean): Promise<void> {
    try {
      await this.#run('kafka', kafkaServer(this.#context))
      this.#kafka = 'apache'
    } catch (error) {
      if (!allowMock || (error as Partial<LocalStackError>).code !== 'KAFKA_MISSING') throw error
      this.#context.progress.say(`${(error as Error).message}. Taking a mock cluster instead: good for a look only.`)
      await this.#run('kafka', kafkaMockServer(this.#context))
      this.#kafka = 'mock'
    }
  }

  async #run(name: StackServer, server: LocalServer): Promise<void> {
    this.servers[name] = server
    this.#variables[name] = await this.#context.progress.step(`Starting ${server.name}`, () => server.start())
    const { pid } = server
    server.gone().then(() => {
      // A restart has another pid by then; a stop of ours is no news.
      if (this.#closing !== undefined || pid === undefined) return
      this.#context.progress.say(`${server.name} (pid ${pid}) has ended; its log: ${join(this.folder, `${name}.log`)}`)
    })
  }

  #pids(): number[] {
    return Object.values(this.servers).flatMap(server => server.pid ?? [])
  }

  async #close(): Promise<void> {
    process.off('exit', this.#onExit)
    await Promise.all(Object.values(this.servers).map(server => server.stop()))
    removeWorkspace(this.folder)
  }

  /** For a process that ends without closing: the servers end by themselves, the folder would not. */
  readonly #onExit = () => {
    for (const server of Object.values(this.servers)) server.signal('SIGKILL')
    try {
      removeWorkspace(this.folder)
    } catch {
      // Somebody still writes into it: the next stack sweeps it.
    }
  }
}

/** What the environment says of a server; undefined when it does not name it. */
function givenVariables(env: Environment, name: StackServer): Record<string, string> | undefined {
  const [decisive, ...others] = VARIABLES[name]
  const url = env[decisive]
  if (!url) return undefined
  const given: Record<string, string> = { [decisive]: url }
  for (const other of others) {
    const value = env[other] || (name === 'redis' ? url : undefined)
    if (value !== undefined) given[other] = value
  }
  return given
}
