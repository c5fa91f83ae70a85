import { openDatabase } from '#database/database.ts'
import { withAdvisoryLock } from '#database/gifts/sweep-rows.ts'

/** Holds a lock until it is told something; `DATABASE_URL`, `LOCK_KEY`, `SILENT_MS`. */
const { DATABASE_URL: url = '', LOCK_KEY, SILENT_MS } = process.env
const database = await openDatabase({ url, poolMax: 2, timeoutMs: 5000 })
const told = new Promise<void>(resolve => process.stdin.once('data', () => resolve()))
const work = () => {
  process.stdout.write('held')
  return told
}
await withAdvisoryLock(database.kysely, Number(LOCK_KEY), work, Number(SILENT_MS))
await database.orm.close(true)
process.stdin.destroy()
