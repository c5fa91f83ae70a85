import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { migrateSchema } from '#config/schemas.ts'
import { describeUnknownName, findUnknownNames } from '#config/unknown-names.ts'
import { migrate } from '#database/database.ts'
import { errorLine } from '#runtime/errors.ts'

/** Brings the database up to date; says what it ran. */
try {
  for (const unknown of findUnknownNames(processEnvironment()))
    process.stderr.write(`promostream migrate: ${describeUnknownName(unknown)}\n`)
  const config = loadConfig(migrateSchema, processEnvironment())
  const { DATABASE_URL: url, DATABASE_POOL_MAX: poolMax, DATABASE_TIMEOUT_MS: timeoutMs } = config
  const ran = await migrate({ url, poolMax, timeoutMs })
  process.stdout.write(ran.length === 0 ? 'the database is up to date\n' : `ran ${ran.join(', ')}\n`)
} catch (error) {
  process.stderr.write(`promostream migrate: ${errorLine(error)}\n`)
  process.exitCode = 1
}
