import { readFileSync } from 'node:fs'
import { type ConnectionOptions, checkServerIdentity, getCACertificates } from 'node:tls'
import { type ConnectionOptions as ParsedUrl, parse } from 'pg-connection-string'

/** Where PostgreSQL is and how it is spoken to: everything that a `DATABASE_URL` may say. */
export interface DatabaseAddress {
  /** A name, an address without brackets, or the folder of a Unix socket. */
  host: string
  port: number
  user: string
  password: string
  database: string
  /** False: in clear text. */
  ssl: false | ConnectionOptions
  /** What the server is to set for each session, as libpq's `options`. */
  options?: string
  applicationName?: string
  /** How long a new connection may take, in ms. */
  connectTimeoutMs?: number
}

const DEFAULT_PORT = 5432

/** libpq's parameters that hold here. Any other is refused: a setting that is dropped in silence is worse than none. */
const SUPPORTED = new Set(
  (
    'host port user password dbname options application_name connect_timeout ' +
    'sslmode sslrootcert sslcert sslkey sslpassword'
  ).split(' '),
)

/** `no-verify` is node-postgres' name for TLS that looks at no certificate, which libpq calls `require`. */
const SSL_MODES = ['disable', 'require', 'no-verify', 'verify-ca', 'verify-full'] as const

/**
 * Reads a PostgreSQL URL with libpq's meanings; certificates are read from their files here.
 * @throws Error whose message says which part of the URL cannot be used, and shows no value of it.
 */
export function parseDatabaseUrl(url: string): DatabaseAddress {
  const parameters = parametersOf(url)
  const parsed = parseParts(url, parameters)
  const host = parameters.get('host') || parsed.host || ''
  if (host.includes(',') || parsed.port?.includes(',') === true) throw new Error('names several hosts: one is possible')
  if (host === '') throw new Error('names no host')
  const database = parameters.get('dbname') ?? parsed.database ?? ''
  if (database === '') throw new Error('names no database')
  const [options, applicationName] = [parameters.get('options'), parameters.get('application_name')]
  const connectTimeoutMs = connectTimeoutMsOf(parameters.get('connect_timeout'))
  return {
    host,
    port: portOf(parsed.port),
    user: parsed.user ?? '',
    password: parsed.password ?? '',
    database,
    ssl: sslOf(parameters, host),
    ...(options === undefined ? {} : { options }),
    ...(applicationName === undefined ? {} : { applicationName }),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
  }
}

function parametersOf(url: string): Map<string, string> {
  if (url.includes('#')) throw new Error('has a «#», which must be written as %23')
  const begin = url.indexOf('?')
  const parameters = new Map<string, string>()
  // As libpq does: a «+» is a plus, not a blank.
  for (const pair of begin < 0 ? [] : url.slice(begin + 1).split('&')) {
    if (pair === '') continue
    const [name = '', ...value] = pair.split('=')
    if (!SUPPORTED.has(name)) throw new Error(`has a parameter that is not supported: ${printable(name)}`)
    if (parameters.has(name)) throw new Error(`has the parameter ${name} twice`)
    parameters.set(name, decoded(value.join('='), name))
  }
  return parameters
}

function decoded(text: string, name: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`has a parameter that cannot be decoded: ${name}`)
  }
}

/** A name goes into an error line, a password that somebody put there must not. */
function printable(name: string): string {
  return /^\w{1,40}$/.test(name) ? name : '(a name that cannot be shown)'
}

function parseParts(url: string, parameters: ReadonlyMap<string, string>): ParsedUrl {
  const mode = parameters.get('sslmode')
  if (mode !== undefined && !SSL_MODES.some(known => known === mode)) {
    const why = mode === 'prefer' || mode === 'allow' ? 'could end in clear text' : 'is no mode'
    throw new Error(`has a value of sslmode that ${why}: disable, require, verify-ca or verify-full are possible`)
  }
  const bare = url.split('?', 1)[0] ?? ''
  try {
    // Our own reading of the parameters stands; the library reads what comes before them.
    return { ...parse(bare), ...pick(parameters, ['user', 'password', 'port']) }
  } catch {
    throw new Error('cannot be read: special characters of user and password must be percent-encoded')
  }
}

function pick(parameters: ReadonlyMap<string, string>, names: readonly string[]): Partial<ParsedUrl> {
  return Object.fromEntries(names.filter(name => parameters.has(name)).map(name => [name, parameters.get(name)]))
}

function portOf(text: string | null | undefined): number {
  if (text === undefined || text === null || text === '') return DEFAULT_PORT
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new Error('has a port that is none')
}

function connectTimeoutMsOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '0') return undefined
  if (!/^\d{1,6}$/.test(text)) throw new Error('has a connect_timeout that is no number of seconds')
  return Number(text) * 1000
}

/** libpq's table of `sslmode`, with TLS never given up: what was asked for holds, or nothing connects. */
function sslOf(parameters: ReadonlyMap<string, string>, host: string): false | ConnectionOptions {
  const mode = parameters.get('sslmode') ?? 'disable'
  assertTlsMakesSense(mode, parameters, host)
  if (mode === 'disable') return false
  const roots = parameters.get('sslrootcert')
  // libpq: with a root certificate «require» verifies as «verify-ca» does.
  const verifies = mode.startsWith('verify') || (mode === 'require' && roots !== undefined)
  const looksAtName = mode === 'verify-full' || roots === 'system'
  const passphrase = parameters.get('sslpassword')
  return {
    rejectUnauthorized: verifies,
    // node-postgres names no host to Node when it is an address: without this «localhost» would be what is compared.
    checkServerIdentity: (_, certificate) => (looksAtName ? checkServerIdentity(host, certificate) : undefined),
    ...(roots === 'system' ? { ca: getCACertificates('system') } : contentOf('ca', 'sslrootcert', parameters)),
    ...contentOf('cert', 'sslcert', parameters),
    ...contentOf('key', 'sslkey', parameters),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

function assertTlsMakesSense(mode: string, parameters: ReadonlyMap<string, string>, host: string): void {
  const files = ['sslrootcert', 'sslcert', 'sslkey', 'sslpassword'].filter(name => parameters.has(name))
  if (mode === 'disable' && files.length > 0)
    throw new Error(`has ${files.join(', ')}, but no sslmode that asks for TLS`)
  if (mode !== 'disable' && host.startsWith('/'))
    throw new Error(`asks for sslmode=${mode} on a Unix socket, which has no TLS`)
  if (parameters.has('sslcert') !== parameters.has('sslkey')) throw new Error('must have sslcert and sslkey together')
  if (mode === 'verify-ca' && [undefined, 'system'].includes(parameters.get('sslrootcert')))
    throw new Error('asks for sslmode=verify-ca without an sslrootcert of its own: anybody can buy a certificate')
}

function contentOf(option: 'ca' | 'cert' | 'key', name: string, parameters: ReadonlyMap<string, string>) {
  const file = parameters.get(name)
  return file === undefined ? {} : { [option]: read(file, name) }
}

function read(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`has an ${name} that cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`)
  }
}
