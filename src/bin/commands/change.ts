import { hostname, userInfo } from 'node:os'
import type { Kysely } from 'kysely'
import { createActivityLog } from '#database/activity-log.ts'
import { errorLine, toError } from '#runtime/errors.ts'

/** A change as the activity log names it; the names are those of the admin. */
export interface Change {
  what: string
  /** An id, or what else it is done to. */
  target: string
  /** Its parameters; never a secret. */
  detail?: unknown
}

/**
 * Runs a change of the command line: its row in the activity log is committed before anything is done, and says afterwards
 * how it ended (`done`, or the error's code).
 */
export async function withChange<T>(kysely: Kysely<unknown>, change: Change, work: () => Promise<T>): Promise<T> {
  const log = createActivityLog(kysely)
  const id = await log.begin({ who: whoAmI(), detail: null, ...change })
  const end = async (outcome: string) => {
    await log.end(id, outcome).catch(error => {
      process.stderr.write(`promostream: row ${id} of the activity log not ended: ${errorLine(error)}\n`)
    })
  }
  try {
    const result = await work()
    await end('done')
    return result
  } catch (error) {
    await end(String((toError(error) as { code?: unknown }).code ?? 'error'))
    throw error
  }
}

/** The system's user and host. */
export function whoAmI(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // A container's user may have no name.
    return `uid-${process.getuid?.() ?? 'unknown'}@${hostname()}`
  }
}
