import type { ConnectionOptions } from 'node:tls'
import { errorLine } from '#runtime/errors.ts'
import { StreamConnection } from './connection.ts'
import { assertObject } from './option-checks.ts'

/** Where a Redis is, as BullMQ's `connection` has it. */
export interface RedisAddress {
  /** Default 127.0.0.1. */
  host?: string
  /** Default 6379. */
  port?: number
  /** Default: the server's default user. */
  username?: string
  /** Default: none. */
  password?: string
  /** Number of the database. Default 0. */
  db?: number
  /** What `tls.connect` takes; with it the connection speaks TLS. */
  tls?: ConnectionOptions
}

/** A connection that is shared (the cheapest: one a process), or where to make one of one's own. */
export type ConnectionLike = StreamConnection | string | RedisAddress

const KNOWN = new Set(['host', 'port', 'username', 'password', 'db', 'tls'])

/**
 * @returns the connection, and whether it was made here: who made it closes it. Throws a TypeError for what is none; it
 * never says what stood there, which may hold a password.
 */
export function connectionOf(value: ConnectionLike): { connection: StreamConnection; isOwn: boolean } {
  if (value instanceof StreamConnection) return { connection: value, isOwn: false }
  try {
    return { connection: new StreamConnection(optionsOf(value)), isOwn: true }
  } catch (error) {
    const reason = errorLine(error)
    throw new TypeError(reason.startsWith('connection') ? reason : `connection: ${reason}`)
  }
}

function optionsOf(value: string | RedisAddress): { url: string; tls?: ConnectionOptions } {
  if (typeof value === 'string') return { url: value }
  if (typeof value !== 'object' || value === null)
    throw new TypeError(
      'connection must be a StreamConnection, as createStreamConnection makes one, a URL, or { host, port }',
    )
  assertObject('connection', value)
  if (Object.keys(value).length === 0) throw new TypeError('connection must name a host or a port')
  if ('status' in value)
    throw new TypeError(
      'connection must not be a client of ioredis: the framework needs one of its own, which it watches; give its URL or { host, port }, or share what createStreamConnection makes',
    )
  const stranger = Object.keys(value).find(name => !KNOWN.has(name))
  if (stranger !== undefined)
    throw new TypeError(
      `connection.${stranger} is nothing that this connection obeys: createStreamConnection takes url, tls, cluster and commandTimeoutMs`,
    )
  const { host = '127.0.0.1', port = 6379, username = '', password = '', db = 0, tls } = value
  const user =
    username === '' && password === '' ? '' : `${encodeURIComponent(username)}:${encodeURIComponent(password)}@`
  const name = host.includes(':') ? `[${host}]` : host
  const url = `${tls === undefined ? 'redis' : 'rediss'}://${user}${name}:${port}/${db}`
  return { url, ...(tls === undefined ? {} : { tls }) }
}
