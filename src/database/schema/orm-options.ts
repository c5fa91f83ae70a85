import { defineConfig } from '@mikro-orm/postgresql'
import { parseDatabaseUrl } from '#config/database-url.ts'
import { preparedNameOf } from '#database/prepared.ts'
import { CampaignPromotionEntity } from '#database/schema/entities/campaign-promotion.entity.ts'
import { CampaignPromotionSkippedEntity } from '#database/schema/entities/campaign-promotion-skipped.entity.ts'
import { CampaignPromotionSummaryEntity } from '#database/schema/entities/campaign-promotion-summary.entity.ts'
import { giftResultEntities } from '#database/schema/entities/gift-results.entities.ts'
import { MIGRATIONS } from '#database/schema/migrations/migrations.ts'
import { Migrator } from './migrator.ts'

export interface DatabaseOptions {
  url: string
  /** Connections this process may hold. */
  poolMax: number
  /** One statement, in ms; also the wait for a connection. */
  timeoutMs: number
  /** For migrations: statements may take as long as they need, but wait no longer than this for a lock, in ms. */
  lockTimeoutMs?: number
}

function limitsOf(timeoutMs: number) {
  return {
    statement_timeout: timeoutMs,
    // The server cancels at `timeoutMs`; this one is for a server that no longer answers at all.
    query_timeout: timeoutMs + 1000,
    idle_in_transaction_session_timeout: timeoutMs * 2,
  }
}

/**
 * A client whose server no longer answers (a host that is gone says nothing) fails its query and would go back to the
 * pool, where the next ones queue behind it until TCP gives up: a quarter of an hour. It is ended instead. Statements that
 * are marked so are prepared.
 */
function watchClients(pool: PoolOfClients): void {
  pool.on('connect', client => {
    const query = client.query.bind(client)
    client.query = (text: unknown, ...args: unknown[]) => {
      const name = preparedNameOf(text)
      const result = name === undefined ? query(text, ...args) : query({ name, text, values: args[0] })
      if (result instanceof Promise) {
        result.catch((error: Error) => {
          // The pool keeps no client that is ending.
          if (error.message === 'Query read timeout') client.end().catch(() => undefined)
        })
      }
      return result
    }
  })
}

interface PoolOfClients {
  on(event: 'connect', listener: (client: PoolClient) => void): void
}

interface PoolClient {
  query(...args: unknown[]): unknown
  end(): Promise<void>
}

/** MikroORM reads host, port, user, password and database from a URL and drops the rest: it is given them by name. */
function addressOptions(url: string, timeoutMs: number) {
  const { host, port, user, password, database, ssl, options, ...address } = parseDatabaseUrl(url)
  return {
    host,
    port,
    ...(user === '' ? {} : { user }),
    ...(password === '' ? {} : { password }),
    dbName: database,
    driverOptions: {
      application_name: address.applicationName ?? 'promostream',
      connectionTimeoutMillis: address.connectTimeoutMs ?? timeoutMs,
      ssl,
      ...(options === undefined ? {} : { options }),
    },
  }
}

/** What MikroORM is told; `mikro-orm.config.ts` hands the same to its command line. */
export function ormOptions({ url, poolMax, timeoutMs, lockTimeoutMs }: DatabaseOptions) {
  const { driverOptions, ...address } = addressOptions(url, timeoutMs)
  return defineConfig({
    ...address,
    entities: [
      CampaignPromotionEntity,
      CampaignPromotionSummaryEntity,
      ...giftResultEntities,
      CampaignPromotionSkippedEntity,
    ],
    pool: { min: 0, max: poolMax },
    driverOptions: {
      ...driverOptions,
      ...(lockTimeoutMs === undefined ? limitsOf(timeoutMs) : { lock_timeout: lockTimeoutMs }),
      keepAlive: true,
      onPoolCreated: watchClients,
    },
    ensureDatabase: false,
    extensions: [Migrator],
    migrations: {
      migrationsList: [...MIGRATIONS],
      // Each is committed by itself: none holds its locks while the next ones run.
      allOrNothing: false,
      snapshot: false,
    },
    // The embedded client logs through pino, at the edges; its own printing would break JSON output.
    logger: () => undefined,
  })
}
