import { openDatabase } from '#database/database.ts'
import { withRoundLock } from '#database/locks.ts'

/** Has the sweep's lock until it is told something; `DATABASE_URL`, `SILENT_MS`. */
const { DATABASE_URL: url = '', SILENT_MS } = process.env
const database = await openDatabase({ url, poolMax: 2, timeoutMs: 5000 })
const told = new Promise<void>(resolve => process.stdin.once('data', () => resolve()))
const work = () => {
  process.stdout.write('locked')
  return told
}
await withRoundLock(database.kysely, 'sweep', work, Number(SILENT_MS))
await database.orm.close(true)
process.stdin.destroy()
