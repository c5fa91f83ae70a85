import { epochMs } from './clock.ts'
import type { StreamConnection } from './connection.ts'
import type { Anything } from './job.ts'
import { createMemoryConnection } from './memory/memory-connection.ts'
import { MemoryServer } from './memory/memory-server.ts'
import { StreamQueue } from './queue.ts'
import type { StreamQueueOptions } from './queue-options.ts'
import { shareTime, TestClock } from './test-clock.ts'
import { type StreamHandler, StreamWorker } from './worker.ts'
import type { StreamWorkerOptions } from './worker-options.ts'

/** What a test queue takes: a queue's options, but that it brings its own connection. */
export interface TestQueueOptions<Data = Anything> extends Omit<StreamQueueOptions<Data>, 'connection'> {
  /** The stream's key. Default `test`. */
  name?: string
}

/** A queue on a server inside this process, and what a test does with it. Nothing of it is kept. */
export interface TestQueue<Data = Anything, Name extends string = string> extends AsyncDisposable {
  /** The queue, as it is on a Redis. */
  readonly queue: StreamQueue<Data, Name>
  /** Its connection: for a StreamPool, or for more queues and workers on the same server. */
  readonly connection: StreamConnection
  /** The time of all queues and workers of this process. */
  readonly clock: TestClock
  /** A worker of the queue, with its group, codec and stream of dead letters unless the options say otherwise. */
  worker<Result>(
    handler: StreamHandler<Data, Result, Name>,
    options?: Omit<StreamWorkerOptions<Data>, 'connection'>,
  ): StreamWorker<Data, Result, Name>
  /** Closes its workers and the queue, and lets the time go. */
  close(): Promise<void>
}

/**
 * A queue for tests of handlers: on a server inside the process that answers the framework's commands as a Redis does (the
 * framework's own tests run on both), with a clock that can be moved. No Redis, no socket. It keeps text: bytes that are no
 * UTF-8 do not come out as they went in. Throws a TypeError that names the option which is wrong.
 */
export function createTestQueue<Data = Anything, Name extends string = string>({
  name = 'test',
  ...options
}: TestQueueOptions<Data> = {}): TestQueue<Data, Name> {
  const { time, release } = shareTime()
  const connection = createMemoryConnection(new MemoryServer({ clock: epochMs }))
  const queue = new StreamQueue<Data, Name>(name, { ...options, connection } as StreamQueueOptions<Data>)
  const workers: StreamWorker<never, never, never>[] = []
  const { group, codec, deadLetterStream } = options
  const shared = Object.fromEntries(
    Object.entries({ group, codec, deadLetterStream }).filter(([, value]) => value !== undefined),
  )
  const close = async () => {
    await Promise.all(workers.map(worker => worker.close()))
    await queue.close()
    await connection.close()
    release()
  }
  return {
    queue,
    connection,
    clock: new TestClock(time),
    worker: <Result>(handler: StreamHandler<Data, Result, Name>, own = {}) => {
      const worker = new StreamWorker<Data, Result, Name>(name, handler, {
        ...shared,
        ...own,
        connection,
      } as StreamWorkerOptions<Data>)
      workers.push(worker as unknown as StreamWorker<never, never, never>)
      return worker
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
