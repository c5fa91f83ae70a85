import { CodedError, errorLine } from '#runtime/errors.ts'

/**
 * Errors of the framework. Codes: `STREAM_UNREACHABLE`, `STREAM_EVICTION` (the server may delete a whole stream),
 * `STREAM_FULL` (nothing was added), `STREAM_ADD_FAILED` (the entry may be on the stream or not), `STREAM_NO_GROUP`,
 * `STREAM_CLOSED`; and those that come with the event `failed`: `STREAM_DEAD_LETTER`, `STREAM_POISON`.
 */
export class StreamError extends CodedError {
  constructor(code: string, message: string, options: { cause?: unknown; canRetry?: boolean } = {}) {
    super(code, message, { ...options, cause: withoutCommand(options.cause) })
    this.name = 'StreamError'
  }
}

/**
 * ioredis hangs the command on its errors, AUTH's password and an entry's payload included: nobody shall print them by
 * accident. Changes the error and answers it.
 */
export function withoutCommand<T>(thrown: T): T {
  if (thrown instanceof Error && 'command' in thrown) delete thrown.command
  return thrown
}

/** The group (or the stream with it) is gone: FLUSHALL, DEL, a failover that lost it. */
export function isNoGroup(error: unknown): boolean {
  return /\bNOGROUP\b/.test(errorLine(error))
}
