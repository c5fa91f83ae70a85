import { StreamConnection } from './connection.ts'
import { assertMs, assertObject, assertPositive } from './option-checks.ts'

/** What a pool is made of. */
export interface StreamPoolOptions {
  /** The connection of all its workers. */
  connection: StreamConnection
  /** Handlers at once, over all workers of the pool. */
  maxInFlight: number
  /** Longest pause between two looks at an idle stream, in ms. Default 100. */
  pollIntervalMs?: number
}

/** Throws a TypeError that names what is wrong. */
export function assertPoolOptions(options: StreamPoolOptions): void {
  assertObject('options of the pool', options)
  assertConnection(options.connection)
  assertPositive('maxInFlight', options.maxInFlight)
  if (options.pollIntervalMs !== undefined) assertMs('pollIntervalMs', options.pollIntervalMs)
}

/** What is no connection would be tried for ever. */
function assertConnection(value: unknown): void {
  if (value instanceof StreamConnection) return
  throw new TypeError('connection must be a StreamConnection, as createStreamConnection makes one')
}
