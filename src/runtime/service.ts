import { within } from './within.ts'

/**
 * The one contract of everything that has a life: a consumer loop, a worker, a timer, a server.
 *
 * Both methods are safe to call twice and in any order: `stop` before `start` does nothing, a second `start` while
 * running does nothing. (River's `startstop` is the model.)
 */
export interface Service extends AsyncDisposable {
  readonly name: string
  /** Resolves when the service does its work; rejects when it cannot begin. */
  start(): Promise<void>
  /**
   * Stops taking new work, finishes what is in flight, frees every resource.
   * @param deadline aborts when time is up: what is in flight is then abandoned in a way that loses nothing.
   */
  stop(deadline?: AbortSignal): Promise<void>
}

/** Builds a {@link Service} from two functions and makes it safe against double calls. */
export function service(
  name: string,
  life: { start(): Promise<void>; stop(deadline?: AbortSignal): Promise<void> },
): Service {
  let started: Promise<void> | undefined
  let stopped: Promise<void> | undefined
  const stop = (deadline?: AbortSignal) => {
    stopped ??= started === undefined ? Promise.resolve() : settledSoon(started).then(() => life.stop(deadline))
    return stopped
  }
  return {
    name,
    start: () => {
      started ??= stopped === undefined ? life.start() : Promise.resolve()
      return started
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
}

/** A start that is nearly through may finish; one that waits for a server that is away must not delay the stop. */
const START_GRACE_MS = 500

const settledSoon = (start: Promise<void>) =>
  within(
    start.catch(() => undefined),
    START_GRACE_MS,
    () => undefined,
  )
