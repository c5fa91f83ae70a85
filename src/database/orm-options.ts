import { Migrator } from '@mikro-orm/migrations'
import { defineConfig } from '@mikro-orm/postgresql'
import { parseDatabaseUrl } from '#config/database-url.ts'
import { CampaignPromotionEntity } from './entities/campaign-promotion.entity.ts'
import { CampaignPromotionPointResultEntity } from './entities/campaign-promotion-point-result.entity.ts'
import { CampaignPromotionSkippedEntity } from './entities/campaign-promotion-skipped.entity.ts'
import { CampaignPromotionSummaryEntity } from './entities/campaign-promotion-summary.entity.ts'
import { CampaignPromotionVoucherResultEntity } from './entities/campaign-promotion-voucher-result.entity.ts'
import { CreateTables } from './migrations/migration-20261121-create-tables.ts'
import { AdminAudit } from './migrations/migration-20261122-admin-audit.ts'
import { ProgressCounts } from './migrations/migration-20261123-progress-counts.ts'
import { UnknownChecks } from './migrations/migration-20261124-unknown-checks.ts'
import { RemovedGifts } from './migrations/migration-20261125-removed-gifts.ts'

export interface DatabaseOptions {
  url: string
  /** Connections this process may hold. */
  poolMax: number
  /** One statement, in ms; also the wait for a connection. */
  timeoutMs: number
}

/**
 * A client whose server no longer answers (a host that is gone says nothing) fails its query and would go back to the
 * pool, where the next ones queue behind it until TCP gives up: a quarter of an hour. It is ended instead.
 */
function dropSilentClients(pool: PoolOfClients): void {
  pool.on('connect', client => {
    const query = client.query.bind(client)
    client.query = (...args: unknown[]) => {
      const result = query(...args)
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
export function ormOptions({ url, poolMax, timeoutMs }: DatabaseOptions) {
  const { driverOptions, ...address } = addressOptions(url, timeoutMs)
  return defineConfig({
    ...address,
    entities: [
      CampaignPromotionEntity,
      CampaignPromotionSummaryEntity,
      CampaignPromotionVoucherResultEntity,
      CampaignPromotionPointResultEntity,
      CampaignPromotionSkippedEntity,
    ],
    pool: { min: 0, max: poolMax },
    driverOptions: {
      ...driverOptions,
      statement_timeout: timeoutMs,
      // The server cancels at `timeoutMs`; this one is for a server that no longer answers at all.
      query_timeout: timeoutMs + 1000,
      idle_in_transaction_session_timeout: timeoutMs * 2,
      keepAlive: true,
      onPoolCreated: dropSilentClients,
    },
    extensions: [Migrator],
    migrations: {
      migrationsList: [
        { name: '20261121-create-tables', class: CreateTables },
        { name: '20261122-admin-audit', class: AdminAudit },
        { name: '20261123-progress-counts', class: ProgressCounts },
        { name: '20261124-unknown-checks', class: UnknownChecks },
        { name: '20261125-removed-gifts', class: RemovedGifts },
      ],
      snapshot: false,
    },
    // The embedded client logs through pino, at the edges; its own printing would break JSON output.
    logger: () => undefined,
  })
}
