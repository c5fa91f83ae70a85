import { assertName } from './option-checks.ts'

/** The key that says a queue is paused; beside the stream, because the stream itself comes and goes. */
export function pausedKey(stream: string): string {
  return `${stream}:paused`
}

/** The key that counts a queue's permits. */
export function limiterKey(stream: string): string {
  return `${stream}:limiter`
}

const RESERVED = /:(paused|limiter)$/

/**
 * A stream's name is its key as it is. One that ends like the framework's own keys would be another queue's switch:
 * pausing `x` would write into the stream `x:paused`.
 */
export function assertStreamName(option: string, name: unknown): void {
  assertName(option, name)
  if (RESERVED.test(name as string))
    throw new TypeError(`${option} must not end in :paused or :limiter, which are keys of the queue before it`)
}
