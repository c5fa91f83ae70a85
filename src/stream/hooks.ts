import type { Anything, StreamJob } from './job.ts'

/** Called around what a queue does: where a span begins and ends, or a metric is counted. Each must call `run` once. */
export interface QueueHooks {
  /** Around one `add` or `addBulk`; `count` entries. Resolves with what `run` resolved with. */
  add?<Result>(call: { stream: string; count: number }, run: () => Promise<Result>): Promise<Result>
}

/** Called around what a worker does. Each must call `run` once, and say what it said. */
export interface WorkerHooks<Data = Anything> {
  /** Around one run of a handler. */
  handle?(job: StreamJob<Data>, run: () => unknown): unknown
  /** Told after the server has acknowledged and deleted entries, by their ids. Must not throw. */
  acknowledged?(ids: readonly string[]): void
}
