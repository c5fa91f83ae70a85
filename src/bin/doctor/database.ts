import type pg from 'pg'
import { parseDatabaseUrl } from '#config/database-url.ts'
import { isLoopback } from '#config/fields.ts'
import type { DatabaseConfig } from '#config/schemas.ts'
import { openDatabase } from '#database/database.ts'
import { createFreshConnection } from '#database/fresh-connection.ts'
import { assertSessionsLast } from '#database/pooled-sessions.ts'
import { assertSchema } from '#database/schema/schema-version.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { type Finding, findingsOf } from './finding.ts'

const { ok, warning, failed, unknown } = findingsOf('database')
const MIN_VERSION = 140_000
const MAX_CLOCK_DIFFERENCE_S = 5

/** What to do about PostgreSQL's own codes of a connection that failed. */
const TODO_BY_CODE: Readonly<Record<string, string>> = {
  '3D000': 'create the database (createdb), then run «npm run migrate»; is the name in DATABASE_URL right?',
  '28P01': 'correct the user or password in DATABASE_URL; has the user been created (createuser --pwprompt)?',
  '28000': 'create the user (createuser --pwprompt), correct it in DATABASE_URL, or let it in by pg_hba.conf',
  '53300': 'raise max_connections, or lower DATABASE_POOL_MAX',
}

interface ServerFacts {
  version_number: number
  version: string
  is_standby: boolean
  durability: string
  replicas: number
  synchronous: string
  tls: boolean
  tls_version: string | null
  clock_s: number
}

/** Is PostgreSQL there, migrated, durable, and spoken to in secret? */
export async function examineDatabase(config: DatabaseConfig): Promise<Finding[]> {
  const options = { url: config.DATABASE_URL, timeoutMs: config.DATABASE_TIMEOUT_MS }
  const client = createFreshConnection(options)
  try {
    await client.connect()
  } catch (error) {
    const todo = TODO_BY_CODE[(error as { code?: string }).code ?? '']
    return [unknown('connection', error, todo ?? 'start PostgreSQL, or correct DATABASE_URL')]
  }
  try {
    const facts = await readFacts(client)
    return [
      ok('connection', `PostgreSQL ${facts.version}`),
      ...serverFindings(facts),
      tlsFinding(config.DATABASE_URL, facts),
      ...(await asStarted(() => assertSessionsLast(options), 'sessions', 'each connection keeps its session')),
      ...(await schemaFindings(config)),
    ]
  } finally {
    void client.end().catch(() => undefined)
  }
}

async function readFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>(`
    select current_setting('server_version_num')::int as version_number, current_setting('server_version') as version,
      pg_is_in_recovery() as is_standby,
      concat_ws(', ', case when current_setting('fsync') = 'off' then 'fsync' end,
        case when current_setting('synchronous_commit') = 'off' then 'synchronous_commit' end,
        case when current_setting('full_page_writes') = 'off' then 'full_page_writes' end) as durability,
      (select count(*)::int from pg_stat_replication) as replicas,
      current_setting('synchronous_standby_names') as synchronous,
      ssl as tls, pg_stat_ssl.version as tls_version, extract(epoch from clock_timestamp())::float8 as clock_s
    from pg_stat_ssl where pid = pg_backend_pid()`)
  const [facts] = rows
  // Behind a pooler the session that answers may not be the one that asks.
  if (facts === undefined) throw new CodedError('DATABASE_FACTS', 'PostgreSQL does not tell about this session')
  return facts
}

function serverFindings(facts: ServerFacts): Finding[] {
  const findings: Finding[] = []
  if (facts.version_number < MIN_VERSION)
    findings.push(failed('version', `PostgreSQL ${facts.version}`, 'use 14 or newer'))
  if (facts.is_standby) findings.push(failed('role', 'it is a standby, which takes no rows', 'name the primary'))
  if (facts.durability !== '') {
    const todo = 'switch it on: a row that was committed must outlive a crash, or a gift is lost'
    findings.push(failed('durability', `${facts.durability} is off`, todo))
  }
  if (facts.replicas > 0 && facts.synchronous === '') {
    const todo = 'set synchronous_standby_names; after a failover run «promostream audit» for each promotion'
    findings.push(
      warning('replicas', `${facts.replicas}, none synchronous: a failover can lose the last commits`, todo),
    )
  }
  const differenceS = Math.round(Math.abs(facts.clock_s - Date.now() / 1000))
  if (differenceS > MAX_CLOCK_DIFFERENCE_S)
    findings.push(warning('clock', `it differs from this machine's by ${differenceS} s`, 'run NTP on both'))
  return findings
}

function tlsFinding(url: string, { tls, tls_version: version }: ServerFacts): Finding {
  const { host, ssl } = parseDatabaseUrl(url)
  const isLocal = host.startsWith('/') || isLoopback(host)
  if (!tls && isLocal) return ok('tls', 'none, on this machine')
  if (!tls)
    return warning('tls', 'none: password and gifts go in clear text', 'add sslmode=verify-full to DATABASE_URL')
  if (ssl !== false && ssl.rejectUnauthorized === true) return ok('tls', `${version}, the certificate is verified`)
  return warning(
    'tls',
    `${version}, but no certificate is verified: anybody could be the server`,
    'say sslmode=verify-full and sslrootcert in DATABASE_URL',
  )
}

async function schemaFindings(config: DatabaseConfig): Promise<Finding[]> {
  const { DATABASE_URL: url, DATABASE_TIMEOUT_MS: timeoutMs } = config
  const database = await openDatabase({ url, poolMax: 1, timeoutMs })
  try {
    return await asStarted(() => assertSchema(database.kysely), 'schema', 'all migrations have run')
  } finally {
    await database.orm.close(true)
  }
}

/** What a process would refuse to start for, in its own words. */
async function asStarted(assert: () => Promise<void>, check: string, fine: string): Promise<Finding[]> {
  try {
    await assert()
    return [ok(check, fine)]
  } catch (error) {
    const [what = '', todo = 'see the reason'] = errorLine(error).split(/: (?=run |connect to )/)
    return [failed(check, what, todo)]
  }
}
