import type pg from 'pg'
import type { DatabaseOptions } from '#database/schema/orm-options.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { createFreshConnection } from './fresh-connection.ts'

const ROUNDS = 3
const WHAT_TO_DO =
  'connect to PostgreSQL itself, or to a pool with pool_mode = session and ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout'

/**
 * Refuses a pooler that gives a connection another session with each transaction (PgBouncer's transaction pooling): a lock
 * of upkeep would stay with a session that others are given, and nobody would have it again.
 * Rejects with `DATABASE_POOLED`, one line that says what to do. Whatever else is wrong is left to those who find it too.
 */
export async function assertSessionsLast(options: Pick<DatabaseOptions, 'url' | 'timeoutMs'>): Promise<void> {
  const [one, other] = [createFreshConnection(options), createFreshConnection(options)]
  try {
    await Promise.all([one.connect(), other.connect()])
    for (let round = 0; round < ROUNDS; round += 1) {
      if (await areShared(one, other)) throw pooled('gives each transaction another session of PostgreSQL')
    }
  } catch (error) {
    if (error instanceof CodedError) throw error
    if (/statement pooling/i.test(errorLine(error))) throw pooled('gives each statement another session of PostgreSQL')
  } finally {
    for (const client of [one, other]) void client.end().catch(() => undefined)
  }
}

/** While one is in a transaction, the other must find the very session that it had before. */
async function areShared(one: pg.Client, other: pg.Client): Promise<boolean> {
  const before = await sessionOf(one)
  await other.query('begin')
  try {
    const others = await sessionOf(other)
    return others === before || (await sessionOf(one)) !== before
  } finally {
    await other.query('rollback')
  }
}

async function sessionOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

/** What a pooler says of a parameter that it does not know, in the words of an operator; undefined for any other error. */
export function refusedByPooler(error: unknown): CodedError | undefined {
  const parameter = /unsupported startup parameter(?: in options)?: (\w+)/.exec(errorLine(error))?.[1]
  return parameter === undefined ? undefined : pooled(`refuses the parameter ${parameter}`)
}

function pooled(what: string): CodedError {
  return new CodedError('DATABASE_POOLED', `DATABASE_URL leads to a pooler (PgBouncer?) that ${what}: ${WHAT_TO_DO}`)
}
