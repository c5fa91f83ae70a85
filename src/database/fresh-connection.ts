import pg from 'pg'
import { parseDatabaseUrl } from '#config/database-url.ts'
import type { DatabaseOptions } from '#database/schema/orm-options.ts'

/** A connection of its own, beside the pool's: made by `connect`, gone after `end`. */
export function createFreshConnection({ url, timeoutMs }: Pick<DatabaseOptions, 'url' | 'timeoutMs'>): pg.Client {
  const { host, port, user, password, database, ssl, options, ...address } = parseDatabaseUrl(url)
  const client = new pg.Client({
    host,
    port,
    database,
    ssl,
    ...(user === '' ? {} : { user }),
    ...(password === '' ? {} : { password }),
    ...(options === undefined ? {} : { options }),
    application_name: address.applicationName ?? 'promostream',
    connectionTimeoutMillis: address.connectTimeoutMs ?? timeoutMs,
    query_timeout: timeoutMs,
  })
  // A server that goes away while nothing is asked is heard of by the next question.
  client.on('error', () => undefined)
  return client
}

/** Rejects when PostgreSQL does not answer on a connection of its own. */
export async function probeDatabase(options: Pick<DatabaseOptions, 'url' | 'timeoutMs'>): Promise<void> {
  const client = createFreshConnection(options)
  try {
    await client.connect()
    await client.query('select 1')
  } finally {
    void client.end().catch(() => undefined)
  }
}
