import type { ConnectionOptions } from 'node:tls'
import { errorLine } from '#runtime/errors.ts'
import type { LineLogger } from '#runtime/line-logger.ts'
import { parseRedisUrl } from '#runtime/redis-url.ts'
import { assertBoolean, assertMs, assertName, assertObject } from './option-checks.ts'

/** Where the server is, and how it is spoken to. */
export interface StreamConnectionOptions {
  /** `redis://` or `rediss://`, with user and password where the server wants them. */
  url: string
  /** Treat the URL as a cluster's seed. */
  cluster?: boolean
  /** What `tls.connect` takes, for `rediss://`: a CA of one's own, a client's certificate. */
  tls?: ConnectionOptions
  /** The connection's name, as CLIENT LIST shows it. */
  name?: string
  /** The setting that the URL comes from: errors and log lines say it. Default `streams`. */
  setting?: string
  /** Where lines go: outages and their ends, warnings about the server. */
  logger?: LineLogger
  /** Only warn about an eviction policy that may delete a whole stream. */
  allowEviction?: boolean
  /** A command that has no answer by then rejects, in ms; one that was sent may still run. Default 5,000, in a cluster 8,000. */
  commandTimeoutMs?: number
}

/** Throws a TypeError that names the option, and never says what the URL is: it may hold a password. */
export function assertConnectionOptions(options: StreamConnectionOptions): void {
  assertObject('options of the connection', options)
  const { url, cluster, tls, name, setting, allowEviction, commandTimeoutMs, logger } = options
  assertName('url', url)
  if (cluster !== undefined) assertBoolean('cluster', cluster)
  try {
    parseRedisUrl(url, { cluster: cluster === true })
  } catch (cause) {
    throw new TypeError(`url ${errorLine(cause)}`)
  }
  if (allowEviction !== undefined) assertBoolean('allowEviction', allowEviction)
  if (tls !== undefined) assertObject('tls', tls)
  if (logger !== undefined) assertObject('logger', logger)
  if (commandTimeoutMs !== undefined) assertMs('commandTimeoutMs', commandTimeoutMs)
  if (setting !== undefined) assertName('setting', setting)
  if (name === undefined) return
  assertName('name', name)
  // What CLIENT SETNAME takes.
  if (!/^[!-~]+$/.test(name)) throw new TypeError('name must be printable ASCII without spaces')
}
