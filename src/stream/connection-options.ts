import type { StreamConnectionOptions } from './connection.ts'
import { assertBoolean, assertMs, assertName, assertObject } from './option-checks.ts'

/** Throws a TypeError that names the option, and never says what the URL is: it may hold a password. */
export function assertConnectionOptions(options: StreamConnectionOptions): void {
  assertObject('options of the connection', options)
  const { url, cluster, tls, name, allowEviction, commandTimeoutMs, logger } = options
  assertName('url', url)
  if (!/^rediss?:\/\//i.test(url) || !URL.canParse(url))
    throw new TypeError('url must begin with redis:// or rediss:// and be a URL')
  if (cluster !== undefined) assertBoolean('cluster', cluster)
  if (allowEviction !== undefined) assertBoolean('allowEviction', allowEviction)
  if (tls !== undefined) assertObject('tls', tls)
  if (logger !== undefined) assertObject('logger', logger)
  if (commandTimeoutMs !== undefined) assertMs('commandTimeoutMs', commandTimeoutMs)
  if (name === undefined) return
  assertName('name', name)
  // What CLIENT SETNAME takes.
  if (!/^[!-~]+$/.test(name)) throw new TypeError('name must be printable ASCII without spaces')
}
