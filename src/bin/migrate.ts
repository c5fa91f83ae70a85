import '#runtime/node-version.cjs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { processEnvironment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { migrateSchema } from '#config/schemas.ts'
import { describeUnknownName, findUnknownNames } from '#config/unknown-names.ts'
import { migrate, rollBack } from '#database/schema/migrate.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { whoAmI } from './commands/change.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)
const onWait = (reason: string) => process.stderr.write(`promostream migrate: waiting: ${reason}\n`)

const RETRY_MS = 1000

/**
 * Brings the database up to date, or with `--rollback-to NAME` takes back what came after that migration. `--wait SECONDS`
 * tries again for so long while PostgreSQL does not answer.
 */
try {
  for (const unknown of findUnknownNames(processEnvironment()))
    process.stderr.write(`promostream migrate: ${describeUnknownName(unknown)}\n`)
  const { values } = parseArgs({
    options: { 'rollback-to': { type: 'string' }, wait: { type: 'string', default: '0' } },
  })
  const deadlineMs = Date.now() + secondsOf(values.wait) * 1000
  const config = loadConfig(migrateSchema, processEnvironment())
  const { DATABASE_URL: url, DATABASE_POOL_MAX: poolMax, DATABASE_TIMEOUT_MS: timeoutMs } = config
  const options = { url, poolMax, timeoutMs }
  const lastKept = values['rollback-to']
  if (lastKept === undefined) {
    const ran = await onceItAnswers(deadlineMs, () => migrate(options, { onWait, who: whoAmI() }))
    say(ran.length === 0 ? 'the database is up to date' : `ran ${ran.join(', ')}`)
  } else {
    const undone = await rollBack(options, lastKept, { onWait, who: whoAmI() })
    say(undone.length === 0 ? 'nothing came after it' : `took back ${undone.join(', ')}`)
  }
} catch (error) {
  process.stderr.write(`promostream migrate: ${errorLine(error)}\n`)
  process.exitCode = 1
}

function secondsOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new CodedError('USAGE', '--wait must be a number of seconds')
}

async function onceItAnswers<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
  for (let told = ''; ; await sleep(RETRY_MS)) {
    try {
      return await work()
    } catch (error) {
      if (!isAway(error) || Date.now() >= deadlineMs) throw error
      const line = errorLine(error)
      if (line !== told) onWait(line)
      told = line
    }
  }
}

/** A server that refuses the login answers: waiting changes nothing. */
function isAway(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  return code === 'DATABASE_UNREACHABLE' && !/^28/.test(String(cause?.code))
}
