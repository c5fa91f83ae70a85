/**
 * An error that knows its stable `code` and whether trying again may help; both are decided where it is born.
 * `message` is one line for an operator and never holds a connection string.
 */
export class CodedError extends Error {
  readonly code: string
  readonly canRetry: boolean

  constructor(code: string, message: string, options: { cause?: unknown; canRetry?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CodedError'
    this.code = code
    this.canRetry = options.canRetry ?? false
  }
}

/** The first line of whatever was thrown. */
export function errorLine(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(errorLine).join('; ')
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
  return text.split('\n', 1)[0] ?? ''
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
