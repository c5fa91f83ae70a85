import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '#local/servers/free-port.ts'
import { ensureProgram } from './apt.ts'
import { type RunningShell, runShell, type ShellResult, startShell } from './doc-shell.ts'
import { startOwnPostgres } from './own-postgres.ts'
import { startTestRedis } from './redis.ts'

/** What a reader of the README has: a checkout, a PostgreSQL and a Redis of their own, and the clients of both. */
export class OwnServers implements AsyncDisposable {
  /** A checkout whose `.env` is its own. */
  readonly folder = mkdtempSync(join(tmpdir(), 'promostream-checkout-'))
  readonly redis: Redis
  readonly redisUrl: string
  readonly #postgres: URL
  readonly #shells: RunningShell[] = []
  readonly #stack = new AsyncDisposableStack()

  private constructor(postgresUrl: string, redisUrl: string) {
    this.#postgres = new URL(postgresUrl)
    this.redisUrl = redisUrl
    this.redis = new Redis(redisUrl)
    for (const name of readdirSync('.').filter(one => one !== '.env' && one !== '.git'))
      symlinkSync(resolve(name), join(this.folder, name))
  }

  static async start(): Promise<OwnServers> {
    await ensureProgram(['psql'], 'postgresql-client')
    await ensureProgram(['redis-cli'], 'redis-tools')
    const [postgres, redis] = await Promise.all([startOwnPostgres(), startTestRedis()])
    const servers = new OwnServers(postgres.url, redis.url)
    servers.#stack.defer(() => rmSync(servers.folder, { recursive: true }))
    servers.#stack.defer(() => postgres.stop())
    servers.#stack.defer(() => redis.stop())
    servers.#stack.defer(() => servers.redis.disconnect())
    servers.#stack.defer(async () => void (await servers.stopShells()))
    // The embedded one comes with a database; a reader's has none.
    await servers.run('dropdb promostream')
    return servers
  }

  /** The host and port, as it stands in a URL. */
  get postgresAddress(): string {
    return this.#postgres.host
  }

  /** What commands find around them; the clients of PostgreSQL and Redis are led to the servers of this installation. */
  #options(user: string) {
    const { hostname: PGHOST, port: PGPORT } = this.#postgres
    const { PATH } = process.env
    return { cwd: this.folder, env: { PATH, HOME: this.folder, PGHOST, PGPORT, PGUSER: user } }
  }

  #script(script: string): string {
    const { port } = new URL(this.redisUrl)
    return `redis-cli() { command redis-cli -p ${port} "$@"; }
promostream() { npm run --silent promostream -- "$@"; }
${script}`
  }

  /** @param user of PostgreSQL's clients. */
  run(script: string, { user = 'postgres', input = '' } = {}): Promise<ShellResult> {
    return runShell(this.#script(script), { ...this.#options(user), input })
  }

  /** In a terminal of its own. */
  open(script: string): RunningShell {
    const shell = startShell(this.#script(script), this.#options('postgres'))
    this.#shells.push(shell)
    return shell
  }

  /** Those that were opened last end first: nobody is left without a server. */
  async stopShells(): Promise<ShellResult[]> {
    const results: ShellResult[] = []
    for (const shell of this.#shells.splice(0).reverse()) results.push(await shell.stop())
    return results
  }

  /** `.env.example`, filled in. */
  writeEnv(values: Record<string, string>): void {
    let text = readFileSync('.env.example', 'utf8')
    for (const [name, value] of Object.entries(values)) {
      const line = new RegExp(`^#?${name}=.*$`, 'm')
      if (!line.test(text)) throw new Error(`.env.example has no ${name}`)
      text = text.replace(line, () => `${name}=${value}`)
    }
    writeFileSync(join(this.folder, '.env'), text)
  }

  async ports(count: number): Promise<string[]> {
    return (await Promise.all(Array.from({ length: count }, freePort))).map(String)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
