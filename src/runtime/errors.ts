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

const NO_TEXT = 'something without a text was thrown'

/** The first line of whatever was thrown. Never throws itself, whatever that is. */
export function errorLine(thrown: unknown): string {
  try {
    if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(errorLine).join('; ')
    const text = thrown instanceof Error ? String(thrown.message || thrown.name) : String(thrown)
    return text.split('\n', 1)[0] ?? ''
  } catch {
    return NO_TEXT
  }
}

/** An error with a text, of whatever was thrown. Never throws itself. */
export function toError(thrown: unknown): Error {
  try {
    if (!(thrown instanceof Error)) return new Error(String(thrown))
    // One whose text cannot be read would throw wherever it is logged.
    const isReadable = typeof thrown.message === 'string' && typeof thrown.stack !== 'symbol'
    return isReadable ? thrown : new Error(errorLine(thrown))
  } catch {
    return new Error(NO_TEXT)
  }
}
