import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { migrateSchema } from '#config/schemas.ts'
import { ormOptions } from '#database/schema/orm-options.ts'

/** For MikroORM's own command line; the processes build the same options from their settings. */
const config = loadConfig(migrateSchema, processEnvironment())

export default ormOptions({
  url: config.DATABASE_URL,
  poolMax: config.DATABASE_POOL_MAX,
  timeoutMs: config.DATABASE_TIMEOUT_MS,
})
