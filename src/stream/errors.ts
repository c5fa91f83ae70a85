import { CodedError, errorLine } from '#runtime/errors.ts'

/**
 * Errors of the framework. Codes: `STREAM_UNREACHABLE`, `STREAM_EVICTION` (the server may delete a whole stream),
 * `STREAM_FULL` and `STREAM_ADD_FAILED` (see StreamAddError), `STREAM_BAD_FIELDS` (nothing was sent), `STREAM_NO_GROUP`,
 * `STREAM_NO_DEAD_LETTER`, `STREAM_CLOSED`; those that come with the event `error`: `STREAM_OTHER_GROUP` (another consumer
 * group reads the stream), `STREAM_LISTENER` (a listener threw); and with `failed`: `STREAM_DEAD_LETTER`, `STREAM_POISON`.
 */
export class StreamError extends CodedError {
  /** `code` is stable; `canRetry`: the same call again may help, and harms nothing. */
  constructor(code: string, message: string, options: { cause?: unknown; canRetry?: boolean } = {}) {
    super(code, message, { ...options, cause: withoutCommand(options.cause) })
    this.name = 'StreamError'
  }
}

/**
 * `add` or `addBulk` did not add everything. `canRetry` is true only where nothing was added: the server refused
 * (out of memory, a key of another type, a cluster that is down), the stream is full, or the command never left. Where an
 * answer was lost (time-out, a connection that broke), or where a part was added, the same call again would double entries.
 */
export class StreamAddError extends StreamError {
  /** Ids of the first entries of the call, which are on the stream for certain. */
  readonly added: readonly string[]
  /** An answer was lost: of the entries behind those of `added`, none, some or all may be on the stream. */
  readonly isUncertain: boolean

  /** What was added, and whether more may have been. */
  constructor(
    code: 'STREAM_ADD_FAILED' | 'STREAM_FULL',
    message: string,
    { cause, added, isUncertain }: { cause?: unknown; added: readonly string[]; isUncertain: boolean },
  ) {
    super(code, message, { cause, canRetry: added.length === 0 && !isUncertain })
    this.name = 'StreamAddError'
    this.added = [...added]
    this.isUncertain = isUncertain
  }
}

/**
 * ioredis hangs the command on its errors, AUTH's password and an entry's payload included: nobody shall print them by
 * accident. Changes the error and returns it.
 */
export function withoutCommand<T>(thrown: T): T {
  if (thrown instanceof Error && 'command' in thrown) delete thrown.command
  return thrown
}

/** The group (or the stream with it) is gone: FLUSHALL, DEL, a failover that lost it. */
export function isNoGroup(error: unknown): boolean {
  return /\bNOGROUP\b/.test(errorLine(error))
}
