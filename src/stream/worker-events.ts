import { captureRejectionSymbol, EventEmitter } from 'node:events'
import { errorLine, toError } from '#runtime/errors.ts'
import type { LineLogger } from '#runtime/line-logger.ts'
import type { StreamEntry } from './entry.ts'
import { StreamError } from './errors.ts'
import type { Anything, StreamJob } from './job.ts'
import { assertNoneLeftOut } from './left-out.ts'
import { WORKER_EVENTS } from './left-out-words.ts'

/** Names and moments are those of BullMQ's Worker. */
export interface StreamWorkerEvents<Data = Anything, Result = Anything, Name extends string = string> {
  /** Connected, the group is there. */
  ready: []
  /** A handler begins. */
  active: [job: StreamJob<Data, Name>]
  /** A handler is through: the entry will be acknowledged. With what the handler returned. */
  completed: [job: StreamJob<Data, Name>, result: Result]
  /** A handler rejected, or gave the entry up as a dead letter, or its data could not be decoded (`job` is undefined then). */
  failed: [job: StreamJob<Data, Name> | undefined, error: Error]
  /** An entry was taken from a consumer that did not renew it, or was lost to one. */
  stalled: [id: string]
  /** The stream ran empty after work: a read found fewer entries than it asked for. Once each time. */
  drained: []
  /** Something went wrong that is not one entry's; the worker goes on. */
  error: [error: Error]
  /** Told to pause, itself or its queue; no handler runs any more, and what was done is acknowledged. */
  paused: []
  /** It, or its queue, goes on. */
  resumed: []
  /** `close` was called. */
  closing: []
  /** Nothing of it is left. */
  closed: []
}

/** The same of the machinery, which knows entries by their fields. */
export type EntryEvents<Fields extends Record<string, string>> = Omit<
  StreamWorkerEvents,
  'active' | 'completed' | 'failed'
> & {
  active: [entry: StreamEntry<Fields>]
  completed: [entry: StreamEntry<Fields>, result: unknown]
  failed: [entry: StreamEntry<Fields>, error: Error]
}

/** Tells the worker's listeners; never throws. */
export type Announce<Fields extends Record<string, string>> = <EventName extends keyof EntryEvents<Fields>>(
  name: EventName,
  ...payload: EntryEvents<Fields>[EventName]
) => void

/** An emitter whose listeners cannot harm the worker: one that throws is an `error` event. */
export class SafeEmitter<Data, Result, Name extends string> extends EventEmitter<
  StreamWorkerEvents<Data, Result, Name>
> {
  protected readonly logger: LineLogger | undefined

  constructor(logger: LineLogger | undefined) {
    super({ captureRejections: true })
    this.logger = logger
    // Node tells of every listener before it is added: `on`, `once`, `addListener` and the others.
    const refuseLeftOut = (name: string | symbol) => assertNoneLeftOut({ [name]: name }, WORKER_EVENTS, 'event ')
    ;(this as unknown as EventEmitter).on('newListener', refuseLeftOut)
  }

  /** An async listener that rejects would end the process otherwise. */
  override [captureRejectionSymbol](error: unknown, ...[name]: unknown[]): void {
    this.#onBadListener(String(name), error)
  }

  protected hears(name: keyof StreamWorkerEvents): boolean {
    return this.listenerCount(name as never) > 0
  }

  protected announce<EventName extends keyof StreamWorkerEvents>(
    name: EventName,
    ...payload: StreamWorkerEvents<Data, Result, Name>[EventName]
  ): void {
    if (!this.hears(name)) {
      if (name === 'error') this.logger?.warn({ err: payload[0] }, `stream worker: ${errorLine(payload[0])}`)
      return
    }
    try {
      this.emit(name as never, ...(payload as never))
    } catch (error) {
      this.#onBadListener(String(name), error)
    }
  }

  /** Heard as `error`; by the logger, or as a warning of the process, where nobody listens or the listener is that one. */
  #onBadListener(name: string, thrown: unknown): void {
    const message = `a listener of «${name}» threw: ${errorLine(thrown)}`
    const error = new StreamError('STREAM_LISTENER', message, { cause: toError(thrown) })
    this.logger?.error({ err: error }, message)
    if (name !== 'error' && this.hears('error')) this.announce('error', error)
    else if (this.logger === undefined) process.emitWarning(message, { code: error.code })
  }
}
