import { assertName } from './option-checks.ts'

/** The key that says a queue is paused; beside the stream, because the stream itself comes and goes. */
export function pausedKey(stream: string): string {
  return `${stream}:paused`
}

/** The key that counts a queue's permits. */
export function limiterKey(stream: string): string {
  return `${stream}:limiter`
}

/** The key that is there as long as an entry waits whose handler said «not now». */
export function delayKey(stream: string, id: string): string {
  return `${stream}:delay:${id}`
}

/** The key that is there while a dead letter is being replayed in steps, and stays if its end is not known. */
export function replayKey(deadLetterStream: string, id: string): string {
  return `${deadLetterStream}:replay:${id}`
}

const RESERVED = /:(paused|limiter|(delay|replay):\d+-\d+)$/

/**
 * A stream's name is its key as it is. One that ends like the framework's own keys would be another queue's switch:
 * pausing `x` would write into the stream `x:paused`.
 */
export function assertStreamName(option: string, name: unknown): void {
  assertName(option, name)
  if (RESERVED.test(name as string))
    throw new TypeError(
      `${option} must not end in :paused, :limiter, :delay:<id> or :replay:<id>, which are keys of the queue before it`,
    )
}
