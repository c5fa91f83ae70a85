import { errorLine } from '#runtime/errors.ts'
import { parseRedisUrl } from '#runtime/redis-url.ts'
import type { StreamConnectionOptions } from './connection.ts'
import { assertBoolean, assertMs, assertName, assertObject } from './option-checks.ts'

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
