import '#runtime/node-version.cjs'
import { parseArgs } from 'node:util'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { migrateSchema } from '#config/schemas.ts'
import { describeUnknownName, findUnknownNames } from '#config/unknown-names.ts'
import { migrate, rollBack } from '#database/schema/migrate.ts'
import { errorLine } from '#runtime/errors.ts'
import { whoAmI } from './commands/change.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)
const onWait = (reason: string) => process.stderr.write(`promostream migrate: waiting: ${reason}\n`)

/** Brings the database up to date, or with `--rollback-to NAME` takes back what came after that migration. */
try {
  for (const unknown of findUnknownNames(processEnvironment()))
    process.stderr.write(`promostream migrate: ${describeUnknownName(unknown)}\n`)
  const { values } = parseArgs({ options: { 'rollback-to': { type: 'string' } } })
  const config = loadConfig(migrateSchema, processEnvironment())
  const { DATABASE_URL: url, DATABASE_POOL_MAX: poolMax, DATABASE_TIMEOUT_MS: timeoutMs } = config
  const options = { url, poolMax, timeoutMs }
  const lastKept = values['rollback-to']
  if (lastKept === undefined) {
    const ran = await migrate(options, { onWait, who: whoAmI() })
    say(ran.length === 0 ? 'the database is up to date' : `ran ${ran.join(', ')}`)
  } else {
    const undone = await rollBack(options, lastKept, { onWait, who: whoAmI() })
    say(undone.length === 0 ? 'nothing came after it' : `took back ${undone.join(', ')}`)
  }
} catch (error) {
  process.stderr.write(`promostream migrate: ${errorLine(error)}\n`)
  process.exitCode = 1
}
