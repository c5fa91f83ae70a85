import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import { CodedError, toError } from './errors.ts'

export interface RetryerOptions {
  /** Tries after the first. */
  maxRetries: number
  /** First and longest pause, in ms; they grow exponentially with jitter. */
  initialDelayMs: number
  maxDelayMs: number
  onRetry?(error: Error, attempt: number): void
  /** Default: everything but an error that says `canRetry: false`. */
  isRetriable?(error: Error): boolean
}

export type Retryer = <T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>

/** The planning documents' `@Retryer` (phase 5, a team rule for every listener): bounded, exponential, jittered. */
export function createRetryer(options: RetryerOptions): Retryer {
  const isRetriable = options.isRetriable ?? (error => !(error instanceof CodedError) || error.canRetry)
  const policy = retry(
    handleWhen(error => isRetriable(toError(error))),
    {
      maxAttempts: options.maxRetries,
      backoff: new ExponentialBackoff({ initialDelay: options.initialDelayMs, maxDelay: options.maxDelayMs }),
    },
  )
  policy.onRetry(failure => {
    if ('error' in failure) options.onRetry?.(toError(failure.error), failure.attempt)
  })
  return (work, signal) => policy.execute(() => work(), signal)
}
