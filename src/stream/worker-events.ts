import { captureRejectionSymbol, EventEmitter } from 'node:events'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import type { StreamEntry } from './entry.ts'

/** Names and moments are those of BullMQ's Worker. */
export interface StreamWorkerEvents<Fields extends Record<string, string>> {
  /** Connected, the group is there. */
  ready: []
  /** A handler begins. */
  active: [entry: StreamEntry<Fields>]
  /** A handler is through: the entry will be acknowledged. */
  completed: [entry: StreamEntry<Fields>]
  /** A handler rejected, or gave the entry up as a dead letter. */
  failed: [entry: StreamEntry<Fields>, error: Error]
  /** An entry was taken from a consumer that let it lie, or was lost to one. */
  stalled: [id: string]
  /** A read has emptied the stream. */
  drained: []
  error: [error: Error]
  paused: []
  resumed: []
  closing: []
  closed: []
}

/** Tells the worker's listeners; never throws. */
export type Announce<Fields extends Record<string, string>> = <Name extends keyof StreamWorkerEvents<Fields>>(
  name: Name,
  ...payload: StreamWorkerEvents<Fields>[Name]
) => void

/** An emitter whose listeners cannot harm the worker: one that throws is an error line. */
export class SafeEmitter<Fields extends Record<string, string>> extends EventEmitter<StreamWorkerEvents<Fields>> {
  protected readonly logger: Logger | undefined

  constructor(logger: Logger | undefined) {
    super({ captureRejections: true })
    this.logger = logger
  }

  /** An async listener that rejects would end the process otherwise. */
  override [captureRejectionSymbol](error: unknown, ...[name]: unknown[]): void {
    this.#onBadListener(String(name), error)
  }

  protected announce<Name extends keyof StreamWorkerEvents<Fields>>(
    name: Name,
    ...payload: StreamWorkerEvents<Fields>[Name]
  ): void {
    if (this.listenerCount(name as never) === 0) {
      if (name === 'error') this.logger?.warn({ err: payload[0] }, `stream worker: ${errorLine(payload[0])}`)
      return
    }
    try {
      this.emit(name as never, ...(payload as never))
    } catch (error) {
      this.#onBadListener(String(name), error)
    }
  }

  #onBadListener(name: string, error: unknown): void {
    this.logger?.error({ err: toError(error) }, `a listener of «${name}» threw: ${errorLine(error)}`)
  }
}
