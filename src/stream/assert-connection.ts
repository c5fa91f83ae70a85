import { StreamConnection } from './connection.ts'

/** What is no connection would be tried for ever. */
export function assertConnection(value: unknown): void {
  if (value instanceof StreamConnection) return
  throw new TypeError('connection must be a StreamConnection, as createStreamConnection makes one')
}
