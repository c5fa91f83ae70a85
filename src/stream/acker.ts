import { toError } from '#runtime/errors.ts'
import { clearTimeout, setTimeout } from './clock.ts'
import { isNoGroup } from './errors.ts'
import type { ConsumerGroup } from './group.ts'
import { type FromRun, settle } from './read-run.ts'

/** What is acknowledged: an object, because its id may be handed out again while the server is being told. */
export type Ackable = FromRun

export interface AckerOptions<Item extends Ackable> {
  group: Pick<ConsumerGroup, 'acknowledge'>
  /** After the server has acknowledged and deleted them. */
  onAcked(items: readonly Item[]): void
  /** Entries were acknowledged and kept, because another group on the stream may still need them. */
  onOtherGroup(): void
  onError(error: Error): void
}

/** Entries of one command; a script's unpack and the server's patience are bounded. */
const MAX_IDS = 500
const RETRY_PAUSE_MS = 200

/**
 * Acknowledges and deletes in one atomic step, many entries a command: what is done in the same turn of the event loop,
 * and what gathers while a command is under way. A failed command is tried again until it works; nothing is forgotten.
 */
export class Acker<Item extends Ackable> {
  readonly #options: AckerOptions<Item>
  #waiting: Item[] = []
  #sending = false
  #scheduled = false
  #retryTimer: NodeJS.Timeout | undefined
  #idle: PromiseWithResolvers<void> | undefined
  #isClosed = false

  constructor(options: AckerOptions<Item>) {
    this.#options = options
  }

  add(item: Item): void {
    if (this.#isClosed) return
    this.#waiting.push(item)
    // While one is due after a failure, what is added goes with it: one attempt a pause, not one an entry.
    if (this.#scheduled || this.#sending || this.#retryTimer !== undefined) return
    this.#scheduled = true
    // One turn later than the read for the slots that became free: they wait for it, nobody waits for this.
    setImmediate(() =>
      setImmediate(() => {
        this.#scheduled = false
        void this.#send()
      }),
    )
  }

  /** Resolves when everything added so far has been acknowledged. */
  drained(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#sending) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  /** Gives up what could not be acknowledged: it stays pending and is delivered again. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retryTimer)
    this.#waiting = []
    this.#settleIdle()
  }

  async #send(): Promise<void> {
    if (this.#sending || this.#waiting.length === 0) return this.#settleIdle()
    this.#sending = true
    const items = this.#waiting.splice(0, MAX_IDS)
    try {
      const { hasOtherGroup } = await this.#options.group.acknowledge(settle(items))
      if (hasOtherGroup) this.#options.onOtherGroup()
      this.#options.onAcked(items)
      this.#sending = false
      void this.#send()
    } catch (thrown) {
      this.#sending = false
      const error = toError(thrown)
      // Stream or group are gone: there is nothing left to acknowledge.
      if (isNoGroup(error)) {
        this.#options.onAcked(items)
        return void this.#send()
      }
      if (this.#isClosed) return this.#settleIdle()
      this.#waiting.unshift(...items)
      this.#options.onError(error)
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = undefined
        void this.#send()
      }, RETRY_PAUSE_MS)
    }
  }

  #settleIdle(): void {
    if (this.#waiting.length > 0 || this.#sending) return
    this.#idle?.resolve()
    this.#idle = undefined
  }
}
