/**
 * Why the embedded stack is not there. Codes: `POSTGRES_MISSING`, `REDIS_MISSING`, `KAFKA_MISSING` (cannot be had
 * here: the message says what to install or which variable to set), `START_FAILED` (it is here and does not run).
 */
export class LocalStackError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'LocalStackError'
    this.code = code
  }
}

/** The first line of whatever was thrown. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return text.split('\n', 1)[0] ?? ''
}
